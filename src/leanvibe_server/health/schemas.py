"""Wire shapes of what callers may know of the service."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from leanvibe_server.kernel.schemas import Timestamp

Verdict = Literal["healthy", "degraded"]
Connectivity = Literal["good", "not_configured"]


class ApiHealth(BaseModel):
    """The process that answers: degraded where 5 % of the last minute's requests failed."""

    status: Verdict
    response_time_ms: int | None = Field(
        description="On average in the last minute; null when there was no request"
    )


class DatabaseHealth(BaseModel):
    """The database in which your tenant lives."""

    status: Verdict
    region: str
    connection_pool: Literal["optimal", "exhausted"] = Field(
        description="`exhausted` while every connection of the process that answers is in use"
    )


class CacheHealth(BaseModel):
    """The memory of your region's database: degraded below a rate of 80."""

    status: Verdict
    hit_rate: float | None = Field(description="Per cent of what was read that was found there")


class AiHealth(BaseModel):
    """The engine that works on tasks: degraded while one of yours waits for longer than a minute,
    and none is being worked on."""

    status: Verdict
    queue_depth: int = Field(description="Tasks of your tenant that wait or are worked on")


class BillingHealth(BaseModel):
    """Payments. `not_configured` where this installation takes none."""

    status: Literal["healthy", "degraded", "not_configured"]
    stripe_connectivity: Connectivity


class Services(BaseModel):
    """The parts of the service."""

    api: ApiHealth
    database: DatabaseHealth
    cache: CacheHealth
    ai_services: AiHealth
    billing: BillingHealth


class Metrics(BaseModel):
    """Numbers of the process that answers, for all its callers together."""

    requests_per_minute: int = Field(description="In the last minute")
    average_response_time: int | None = Field(
        description="Milliseconds to the start of an answer, in the last minute"
    )
    error_rate: float = Field(
        description="Per cent of the last minute's requests that failed with a status of the 500s, "
        "501 aside"
    )
    uptime_percentage: float = Field(
        description="Per cent of the requests since the process started that did not fail"
    )


class HealthView(BaseModel):
    """How the service is, as your tenant meets it."""

    status: Verdict
    timestamp: Timestamp
    services: Services
    metrics: Metrics


class QuotaHealth(BaseModel):
    """How full a quota is: `warning` from 90 per cent on, `exceeded` from 100."""

    current_usage: int
    quota_limit: int
    status: Literal["healthy", "warning", "exceeded"]


class TenantServices(BaseModel):
    """The parts of the service that are the tenant's own."""

    database: DatabaseHealth


class TenantHealth(BaseModel):
    """How one tenant is."""

    status: Literal["healthy", "degraded", "suspended", "deleting"] = Field(
        description="`degraded`: calls, storage or AI requests are used up, or the database is busy"
    )
    timestamp: Timestamp
    tenant_id: UUID
    plan: str
    data_residency: str
    services: TenantServices
    quotas: dict[str, QuotaHealth]
