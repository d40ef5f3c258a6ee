"""Numbers for Prometheus."""

from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.traffic import TRAFFIC

REGISTRY = CollectorRegistry()

REQUESTS = Counter(
    "http_requests_total", "Answered requests", ["method", "route", "status"], registry=REGISTRY
)
DURATION = Histogram(
    "http_request_duration_seconds",
    "Time from request to the start of the answer",
    ["route"],
    registry=REGISTRY,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
TASKS = Counter("leanvibe_tasks_total", "Finished tasks", ["status", "recipe"], registry=REGISTRY)
QUOTA_RATIO = Gauge(
    "leanvibe_quota_usage_ratio",
    "Highest share of a limit any tenant has used, as last seen",
    ["quota_type"],
    registry=REGISTRY,
)
UP = Gauge("leanvibe_up", "1 while the process serves", registry=REGISTRY)


def observe(visit: Visit, status: int, seconds: float) -> None:
    """Count one answer under its route pattern, never its path: ids would flood the series."""
    route = visit.log.get("route", "unmatched")
    _requests(visit.method, route, status).inc()
    _duration(route).observe(seconds)
    TRAFFIC.note(status, seconds)


# Looking a series up by its labels costs more than counting. There are as many as routes, but a
# method is the caller's word: forget some rather than keep all.
@lru_cache(maxsize=2048)
def _requests(method: str, route: str, status: int) -> Counter:
    return REQUESTS.labels(method, route, str(status))


@lru_cache(maxsize=1024)
def _duration(route: str) -> Histogram:
    return DURATION.labels(route)


def render() -> bytes:
    """The metrics in Prometheus' text format."""
    UP.set(1)
    return generate_latest(REGISTRY)
