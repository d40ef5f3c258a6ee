"""Finding a person wherever they live.

The rows of people are in the regions of their tenants. The home region lists those who live there
in `directory`, and those of the other regions in `remote_directory`, by keyed hash: it leads to
the regions that must be asked. With one region there is nothing more to ask.

Every look-up of an address asks the home region and one more, whether the address is known or not
and wherever: for one that no other region knows, a region is chosen by the hash itself. So an
answer takes as long for a stranger as for somebody, and nobody learns from it who lives where;
nor from a region that does not answer, which may be that of a stranger as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec.structs import replace

from leanvibe_server.identity.models import Candidate, User
from leanvibe_server.identity.repository import people, remote
from leanvibe_server.kernel.db import Connection, Database
from leanvibe_server.kernel.errors import ServiceUnavailable
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.log import logger
from leanvibe_server.kernel.platform import Reason, across_tenants, autocommit
from leanvibe_server.kernel.pulse import UNREACHABLE
from leanvibe_server.kernel.scope import Scope


class Ask(Protocol):
    """One statement that finds the users of an address in one region."""

    async def __call__(
        self, conn: Connection, email_hash: bytes, *, limit: int
    ) -> Sequence[Candidate]: ...


@dataclass(frozen=True)
class Looked:
    """The users that were found, oldest first; `silent` are the regions that may know of more and
    do not answer."""

    found: Sequence[Candidate]
    silent: Sequence[str] = ()

    def require_whole(self) -> Sequence[Candidate]:
        """Raises: ServiceUnavailable: a region does not answer."""
        if self.silent:
            raise silence()
        return self.found


def silence() -> ServiceUnavailable:
    """The refusal where a region is silent that may know of somebody. It does not say which:
    whoever asks may not know who lives where."""
    return ServiceUnavailable(
        "A part of the service does not answer now. Nothing is lost: try again in a moment.",
        headers={"Retry-After": "3"},
    )


async def list_candidates(
    house: House, email_hash: bytes, *, limit: int, ask: Ask = people.list_candidates
) -> Looked:
    """The users of an address in every tenant. `ask` is how the home region is asked, and may
    refuse."""
    several = len(house.database.regions) > 1
    async with autocommit(house.database, Reason.SIGN_IN) as conn:
        found = list(await ask(conn, email_hash, limit=limit))
        regions = await people.list_regions_of_address(conn, email_hash) if several else []
    silent = []
    for region in regions:
        try:
            async with autocommit(house.database, Reason.SIGN_IN, region=region) as conn:
                found += await people.list_candidates(conn, email_hash, limit=limit)
        except UNREACHABLE as error:
            silent.append(_warn(region, error))
    if several and not regions:
        silent = await pretend(house.database, email_hash)
    return Looked(sorted(found, key=lambda candidate: candidate.user.id)[:limit], silent)


async def list_of_account(house: House, account_id: UUID, *, limit: int) -> Looked:
    """The users of one person in every tenant."""
    several = len(house.database.regions) > 1
    async with across_tenants(house.database, Reason.SWITCH_TENANT) as conn:
        found = list(await people.list_of_account(conn, account_id, limit=limit))
        regions = await people.list_regions_of_account(conn, account_id) if several else []
    silent = []
    for region in regions:
        try:
            async with across_tenants(house.database, Reason.SWITCH_TENANT, region=region) as conn:
                found += await people.list_of_account(conn, account_id, limit=limit)
        except UNREACHABLE as error:
            silent.append(_warn(region, error))
    return Looked(sorted(found, key=lambda candidate: candidate.user.id)[:limit], silent)


def _warn(region: str, error: Exception) -> str:
    logger("identity").warning("region unreachable", region=region, error=type(error).__name__)
    return region


async def find_owned_account(scope: Scope, email_hash: bytes, *, but: User) -> UUID | None:
    """The account of the row, in any region, whose password the bearer of this very address set
    first; `but` is another.

    The scope is one of the platform login.
    """
    database = scope.house.database
    here = await database.region_of(scope.tenant_id)
    found = [await people.find_owned_account(scope.conn, email_hash, except_user=but)]
    if len(database.regions) > 1:
        async with across_tenants(database, Reason.SIGN_UP) as conn:
            regions = [database.home, *await people.list_regions_of_address(conn, email_hash)]
        for region in set(regions) - {here}:
            async with across_tenants(database, Reason.SIGN_UP, region=region) as conn:
                found.append(await people.find_owned_account(conn, email_hash, except_user=but))
    proved: list[tuple[datetime, UUID]] = [one for one in found if one is not None]
    return min(proved)[1] if proved else None


async def note_user(scope: Scope, user: User, email_hash: bytes) -> None:
    """Enter a user of another region in the home region's directory, before the row is there.

    For a user of the home region the row's own transaction holds the entry.
    """
    database = scope.house.database
    if await database.region_of(user.tenant_id) == database.home:
        return
    async with across_tenants(database, Reason.DIRECTORY) as conn:
        await people.note_remote(conn, user, email_hash, now=scope.now)


async def forget_user(scope: Scope, user_id: UUID) -> bool:
    """Strike somebody who is about to be removed from the home region's directory; True for a
    user of another region. Should the removal fail after that, the next sweep enters them again."""
    database = scope.house.database
    if await database.region_of(scope.tenant_id) == database.home:
        return False
    async with across_tenants(database, Reason.DIRECTORY) as conn:
        await remote.forget(conn, (scope.tenant_id, user_id))
    return True


async def join_account(scope: Scope, user: User, account_id: UUID, email_hash: bytes) -> None:
    """Make a user one person with those of that account, or with nobody by a new one."""
    await people.set_account(scope.conn, user.tenant_id, user.id, account_id)
    await note_user(scope, replace(user, account_id=account_id), email_hash)


async def pretend(database: Database, email_hash: bytes) -> list[str]:
    """Do what following an address to another region costs, for one that leads to none. Returns
    the region, where it does not answer."""
    others = database.regions[1:]
    if not others:
        return []
    region = others[email_hash[0] % len(others)]
    try:
        async with autocommit(database, Reason.SIGN_IN, region=region) as conn:
            await people.list_candidates(conn, email_hash, limit=1)
    except UNREACHABLE as error:
        return [_warn(region, error)]
    return []
