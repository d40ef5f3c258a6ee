"""Signs of life: for people, load balancers and Prometheus."""

import asyncio
import hmac
import ipaddress
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from leanvibe_server.kernel import metrics
from leanvibe_server.kernel.clock import rfc3339
from leanvibe_server.kernel.errors import NotFound, Unauthorized
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.http import Router
from leanvibe_server.kernel.request import visit_of

router = Router(tags=["Health"])


@router.get("/health/live")
async def live(request: Request) -> dict[str, str]:
    """The process runs."""
    return {"status": "alive"}


@router.get("/health/ready")
async def ready(request: Request) -> Response:
    """200 once requests can be served: the database answers and, in development, the demo is
    there. 503 until then."""
    checks = await _checks(request)
    ok = all(checks.values())
    return JSONResponse(
        {"status": "ready" if ok else "starting", "checks": checks}, status_code=200 if ok else 503
    )


@router.get("/health")
async def health(request: Request) -> dict[str, Any]:
    """How the service is, in one word and by part."""
    visit = visit_of(request.scope)
    checks, regions = await _checks(request), await _check_regions(visit.house)
    # A service of its own only where it is trouble.
    mail = {"mail": {"status": "not_delivered"}} if visit.house.settings.keeps_mail else {}
    return {
        "status": "healthy" if all((*checks.values(), *regions.values())) else "degraded",
        "timestamp": rfc3339(visit.house.clock.now()),
        "services": {
            "api": {"status": "healthy"},
            "database": {"status": "healthy" if checks["database"] else "unreachable"},
            **mail,
        },
        "regions": {
            region: {"status": "healthy" if answers else "unreachable"}
            for region, answers in regions.items()
        },
    }


@router.get("/health/enterprise")
async def health_enterprise(request: Request) -> dict[str, Any]:
    """The same as `/health`."""
    return await health(request)


@router.get("/metrics", include_in_schema=False)
async def prometheus(request: Request) -> Response:
    """Numbers for Prometheus: with METRICS_TOKEN as bearer, or without one from this machine."""
    visit = visit_of(request.scope)
    token = visit.house.settings.metrics_token
    if token:
        shown = visit.credentials(cookie=False).bearer or ""
        if not hmac.compare_digest(shown.encode(), token.encode()):
            raise Unauthorized("Metrics need the token of METRICS_TOKEN.")
    elif not _is_loopback(visit.address):
        raise NotFound("There is nothing at this path.")
    return Response(metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _checks(request: Request) -> dict[str, bool]:
    house = visit_of(request.scope).house
    try:
        await asyncio.wait_for(house.database.check(), timeout=2)
        database = True
    except Exception:
        database = False
    demo = house.settings.production or (house.settings.home / "demo.json").exists()
    return {"database": database, "demo": demo}


async def _check_regions(house: House) -> dict[str, bool]:
    """Which regions answer. One that does not is trouble for its own tenants only: the service
    stays ready for the others."""

    async def answers(region: str) -> bool:
        try:
            await asyncio.wait_for(house.database.check(region), timeout=2)
        except Exception:
            return False
        return True

    regions = house.database.regions
    return dict(zip(regions, await asyncio.gather(*map(answers, regions)), strict=True))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
