"""API calls: counted in memory, written together, so that no request waits for a counter.

A process that is killed loses the calls it has not written yet, a second's worth at most.
"""

from dataclasses import dataclass, field
from uuid import UUID

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.entitlements.service import quota_exceeded
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.log import logger, speak_of_home
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.metering import repository, service
from leanvibe_server.metering.periods import period_end, period_of


@dataclass
class _Meter:
    """One tenant's month as this process knows it."""

    period: str
    plan: str
    written: int
    pending: int = 0


@dataclass
class CallMeter:
    """The calls of one process that are not written yet."""

    house: House
    _meters: dict[UUID, _Meter] = field(default_factory=dict)

    async def count(self, conn: Connection, tenant_id: UUID, plan: str) -> None:
        """Count one call of a tenant, in whose transaction `conn` is.

        Raises: QuotaExceeded: the month's calls are used up.
        """
        now = self.house.clock.now()
        period = period_of(service.API_CALLS, now)
        meter = self._meters.get(tenant_id)
        if meter is None or meter.period != period:
            used = await repository.used(conn, tenant_id, metric=service.API_CALLS, period=period)
            meter = self._meters[tenant_id] = _Meter(period, plan, used)
        meter.plan = plan
        current = meter.written + meter.pending
        if current >= plan_of(plan).limits.max_api_calls_per_month:
            raise quota_exceeded(
                plan,
                service.API_CALLS,
                current=current,
                resets_at=period_end(service.API_CALLS, now),
                now=now,
            )
        meter.pending += 1

    async def flush(self) -> None:
        """Write what is pending, each tenant in a transaction of its own."""
        for tenant_id, meter in list(self._meters.items()):
            amount, meter.pending = meter.pending, 0
            if not amount:
                continue
            speak_of_home()
            try:
                async with self.house.database.tenant(tenant_id) as conn:
                    scope = Scope(
                        conn, tenant_id, SYSTEM, self.house.clock, self.house, plan=meter.plan
                    )
                    meter.written = await service.add(scope, service.API_CALLS, amount)
            except Exception as error:
                meter.pending += amount
                logger("metering").warning("calls not written yet", exc_info=error)
