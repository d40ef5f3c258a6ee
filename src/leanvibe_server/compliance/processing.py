"""The record of processing activities, as the law asks of a processor. Source: GDPR Art. 30."""

from dataclasses import dataclass

from leanvibe_server.compliance.retention import Period, list_periods
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.personal_data import DataMap, TableData
from leanvibe_server.kernel.scope import Scope

MEASURES = (
    "Rows of an organisation are reached by its own transactions only (forced row-level security)",
    "Secrets are sealed with AES-256-GCM under keys of the organisation",
    "Passwords are kept as Argon2id hashes, tokens as hashes",
    "An append-only, chained log of every security-relevant act",
    "Rows, files and jobs stay in the region of the organisation",
    "Erasure with a certificate, export on request, retention periods enforced hourly",
)


@dataclass(frozen=True)
class Activity:
    """One purpose, and what is processed for it."""

    purpose: str
    bases: list[str]
    categories: list[str]
    tables: list[str]
    retention: list[str]
    erasure: list[str]


@dataclass(frozen=True)
class Record:
    """What is processed for the organisation, where, for how long, and how it is guarded."""

    region: str
    recipients: list[str]
    measures: list[str]
    activities: list[Activity]


async def read_record(scope: Scope) -> Record:
    """The record of the scope's tenant, made from what each room says it keeps."""
    periods = {period.table.table: period for period in await list_periods(scope)}
    by_purpose: dict[str, list[TableData]] = {}
    for table in scope.house.part(DataMap).tables:
        if table.categories:
            by_purpose.setdefault(table.purpose, []).append(table)
    return Record(
        region=await scope.house.database.region_of(scope.tenant_id),
        recipients=recipients_of(scope.house.settings),
        measures=list(MEASURES),
        activities=[_activity(name, tables, periods) for name, tables in by_purpose.items()],
    )


def _activity(purpose: str, tables: list[TableData], periods: dict[str, Period]) -> Activity:
    return Activity(
        purpose=purpose,
        bases=sorted({table.basis for table in tables}),
        categories=sorted({kind for table in tables for kind in table.categories}),
        tables=[table.table for table in tables],
        retention=_kept(tables, periods),
        erasure=[
            f"{table.table}: "
            + ("deleted" if table.erasure == "delete" else f"kept, {table.kept_because}")
            for table in tables
            if table.person is not None
        ],
    )


def _kept(tables: list[TableData], periods: dict[str, Period]) -> list[str]:
    """How long, the tables with a period of their own first."""
    with_age = [table for table in tables if table.table in periods]
    told = [f"{table.table}: {_days(periods[table.table].days)}" for table in with_age]
    if len(with_age) < len(tables):
        rest = "the rest " if with_age else ""
        told.append(f"{rest}while it serves, at most as long as the account or the organisation")
    return told


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def recipients_of(settings: Settings) -> list[str]:
    """Who else gets personal data, as this installation is set up."""
    keepers = {
        "vault": "HashiCorp Vault of the operator (wrapped keys only)",
        "aws": "AWS Key Management Service (wrapped keys only)",
    }
    found = ["The identity providers, repositories and mail servers the organisation connects"]
    if settings.sends_sms == "twilio":
        found.append("Twilio (telephone numbers and text messages with codes)")
    keeper = keepers.get(settings.key_provider)
    return found if keeper is None else [*found, keeper]
