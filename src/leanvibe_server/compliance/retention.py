"""How long rows are kept: by table, within bounds, enforced by the hourly sweep."""

from dataclasses import dataclass

from leanvibe_server.compliance import repository
from leanvibe_server.compliance.events import RetentionChanged
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import InvalidRequest
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.log import logger
from leanvibe_server.kernel.personal_data import DataMap, Retention, TableData
from leanvibe_server.kernel.platform import sweep_regions
from leanvibe_server.kernel.scope import Scope


@dataclass(frozen=True)
class Period:
    """How long one table's rows are kept in a tenant."""

    table: TableData
    kept: Retention
    days: int


async def list_periods(scope: Scope) -> list[Period]:
    """Every table whose rows are removed with age."""
    own = await repository.list_periods(scope.conn, scope.tenant_id)
    return [
        Period(table, table.retention, own.get(table.table, table.retention.days))
        for table in scope.house.part(DataMap).tables
        if table.retention is not None
    ]


async def set_periods(scope: Scope, days: dict[str, int]) -> list[Period]:
    """Keep the rows of the named tables for so many days.

    Raises: InvalidRequest: no such table, or beyond its bounds.
    """
    periods = {period.table.table: period for period in await list_periods(scope)}
    wrong = [fault for table, wanted in days.items() if (fault := _fault(periods, table, wanted))]
    if wrong:
        raise InvalidRequest(
            wrong[0], details={"field": wrong[0].partition(":")[0], "validation_errors": wrong}
        )
    changed = {
        table: (periods[table].days, wanted)
        for table, wanted in days.items()
        if periods[table].days != wanted
    }
    for table, (_, wanted) in changed.items():
        await repository.set_period(scope.conn, scope.tenant_id, table, wanted, now=scope.now)
    if changed:
        await scope.emit(RetentionChanged(changed=changed))
    return await list_periods(scope)


def _fault(periods: dict[str, Period], table: str, wanted: int) -> str | None:
    period = periods.get(table)
    if period is None:
        return f"{table}: no table with a retention period"
    kept = period.kept
    if not kept.shortest <= wanted <= kept.longest:
        return f"{table}: must be {kept.shortest} to {kept.longest} days"
    return None


async def sweep(house: House) -> None:
    """Remove what is too old, in every region and tenant."""
    now = house.clock.now()

    async def sweep_region(conn: Connection) -> None:
        for table in house.part(DataMap).tables:
            if table.retention is None:
                continue
            gone = await repository.remove_aged(conn, table, table.retention, now=now)
            if gone:
                logger("privacy").info("removed by age", table=table.table, rows=gone)

    await sweep_regions(house.database, sweep_region)
