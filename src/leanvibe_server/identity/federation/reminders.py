"""Letters before something ends that single sign-on rests on. Each goes out 30, 7 and 1 days
before, once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from leanvibe_server.identity import mails, users
from leanvibe_server.identity.federation import repository as rows
from leanvibe_server.identity.federation.events import EndNears
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy.service import enter_tenant

DAYS_BEFORE = (1, 7, 30)
NOBODY = "From then on nobody can sign in by it."


@dataclass(frozen=True, kw_only=True)
class End:
    """Something that ends: `subject` is its name for good, `what` its name in a letter, `effect`
    what comes of it, and `event` how the log calls it."""

    event: type[EndNears]
    subject: str
    what: str
    at: datetime
    effect: str = NOBODY
    advice: str
    path: str
    provider_id: UUID | None


def days_left(at: datetime, now: datetime) -> int | None:
    """The smallest of DAYS_BEFORE that has come; None before the first, and once it is over."""
    left = at - now
    if left <= timedelta(0):
        return None
    return next((days for days in DAYS_BEFORE if left <= timedelta(days=days)), None)


def is_near(end: End, now: datetime) -> bool:
    """Whether it ends within a month, or has."""
    return end.at <= now or days_left(end.at, now) is not None


async def remind(platform: Scope, tenant_id: UUID, end: End) -> None:
    """Write to the tenant's administrators where the time has come and they are not told yet."""
    days = days_left(end.at, platform.now)
    if days is None:
        return
    scope = await enter_tenant(platform, tenant_id)
    if not await rows.note_reminder(scope.conn, tenant_id, end.subject, days=days, now=scope.now):
        return
    await scope.emit(
        end.event(provider_id=end.provider_id, what=end.what, ends_at=end.at, days=days)
    )
    for address in await users.list_addresses_holding(scope, Permission.SECURITY_MANAGE):
        await mails.certificate_ends(
            scope,
            to=address,
            what=end.what,
            at=end.at,
            effect=end.effect,
            advice=end.advice,
            path=end.path,
        )
