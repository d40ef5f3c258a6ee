"""Proving that an e-mail domain is the tenant's own, and asking whether it is.

One tenant at most has proved a domain. Whether another one has is told only to somebody who has
put the record in place, and so rules the domain's name servers.
"""

import secrets
from datetime import timedelta
from uuid import UUID

import asyncpg
import msgspec

from leanvibe_server.identity.domains import repository as rows
from leanvibe_server.identity.domains.events import (
    DomainAdded,
    DomainDeleted,
    DomainLost,
    DomainVerified,
)
from leanvibe_server.identity.domains.models import Domain
from leanvibe_server.identity.domains.names import domain_of, require_domain
from leanvibe_server.identity.domains.resolver import NameServers, NoAnswer
from leanvibe_server.identity.domains.schemas import record_name, record_value
from leanvibe_server.kernel.access import Errand
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import Conflict, InvalidRequest, NotFound, ServiceUnavailable
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.log import logger
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.platform import Reason, ask_regions
from leanvibe_server.kernel.scope import SYSTEM, Scope

MAX_DOMAINS = 100
CHECK_EVERY = timedelta(hours=24)
# A record may be lost in a move of name servers; people are not locked out for that at once.
MISSING_FOR = timedelta(days=3)
SWEPT_AT_ONCE = 500


async def owns_domain_of(scope: Scope, email: str) -> bool:
    """Whether the tenant has proved the domain of an address to be its own."""
    return await rows.is_verified(scope.conn, scope.tenant_id, domain_of(email))


async def find_tenant_of(house: House, email: str) -> UUID | None:
    """The tenant that has proved the domain of an address. Every address costs the same look."""
    # Of two, which is so for a moment at most, neither counts.
    owners = await _find_owners(house, domain_of(email))
    return owners.pop() if len(owners) == 1 else None


async def add(scope: Scope, name: str) -> Domain:
    """Note a domain to prove, with a challenge of its own.

    Raises: InvalidRequest: it is no domain of one organisation. Conflict: it is in the list.
    """
    domain = require_domain(name)
    if await rows.find_named(scope.conn, scope.tenant_id, domain) is not None:
        raise Conflict(f"{domain} is in the list already.", details={"field": "domain"})
    if await rows.count(scope.conn, scope.tenant_id) >= MAX_DOMAINS:
        raise Conflict(f"A tenant may have {MAX_DOMAINS} domains. Delete one first.")
    added = Domain(
        tenant_id=scope.tenant_id,
        id=scope.new_id(),
        domain=domain,
        challenge=secrets.token_urlsafe(32),
        created_at=scope.now,
        verified_at=None,
        checked_at=None,
        missing_since=None,
    )
    await rows.insert(scope.conn, added)
    await scope.emit(DomainAdded(domain_id=added.id, domain=domain))
    return added


async def list_domains(scope: Scope, page: PageRequest) -> list[Domain]:
    """The domains of the tenant in the order they came, one more than the page shows."""
    return await rows.list_page(scope.conn, scope.tenant_id, after=page.after, limit=page.limit + 1)


async def verify(errand: Errand, domain_id: UUID) -> Domain:
    """Look for the record now.

    Raises: NotFound. InvalidRequest: the record is not there yet. ServiceUnavailable: the name
        servers are silent. Conflict: another tenant has proved the domain.
    """
    async with errand.scope() as scope:
        domain = await _require_domain(scope, domain_id)
    try:
        present = await _is_present(errand.house, domain)
    except NoAnswer:
        raise ServiceUnavailable(
            f"The name servers of {domain.domain} do not answer. Try again in a moment.",
            headers={"Retry-After": "10"},
        ) from None
    if not present:
        name = record_name(domain.domain)
        raise InvalidRequest(
            f"There is no TXT record at {name} that holds the value shown. Name servers may need "
            "some minutes to tell of a new record: try again later.",
            details={"field": "domain", "reason": "record_missing", "record_name": name},
        )
    if await _find_owners(errand.house, domain.domain) - {errand.tenant_id}:
        raise _proved_elsewhere(domain)
    kept = await _keep_verified(errand, domain)
    # An index keeps one owner to a region. Two that prove it at once in two regions both lose it.
    if await _find_owners(errand.house, domain.domain) - {errand.tenant_id}:
        await _withdraw(errand, kept)
        raise _proved_elsewhere(domain)
    return kept


async def delete(scope: Scope, domain_id: UUID) -> None:
    """Call a domain one's own no more. Raises: NotFound."""
    domain = await _require_domain(scope, domain_id)
    await rows.delete(scope.conn, scope.tenant_id, domain_id)
    await scope.emit(DomainDeleted(domain_id=domain_id, domain=domain.domain))


async def sweep(house: House) -> None:
    """Look at the records of proved domains once a day. One that stays away for days takes the
    proof with it; silent name servers do not."""
    due = house.clock.now() - CHECK_EVERY

    async def ask(conn: Connection) -> list[Domain]:
        return await rows.list_verified(conn, checked_before=due, limit=SWEPT_AT_ONCE)

    for listed in await ask_regions(house.database, Reason.WORKER, ask):
        for domain in listed:
            try:
                present = await _is_present(house, domain)
            except NoAnswer as error:
                logger("domains").info("not checked", domain=domain.domain, error=str(error))
                continue
            await _note_check(house, domain, present=present)


async def _note_check(house: House, domain: Domain, *, present: bool) -> None:
    async with house.database.tenant(domain.tenant_id) as conn:
        scope = Scope(conn, domain.tenant_id, SYSTEM, house.clock, house)
        current = await rows.lock(conn, domain.tenant_id, domain.id)
        if current is None or current.verified_at is None:
            return
        since = None if present else current.missing_since or scope.now
        lost = since is not None and scope.now - since >= MISSING_FOR
        await rows.note_check(
            conn,
            msgspec.structs.replace(
                current,
                verified_at=None if lost else current.verified_at,
                checked_at=scope.now,
                missing_since=None if lost else since,
            ),
        )
        if lost:
            await scope.emit(DomainLost(domain_id=domain.id, domain=domain.domain))


async def _keep_verified(errand: Errand, domain: Domain) -> Domain:
    try:
        async with errand.scope() as scope:
            current = await rows.lock(scope.conn, scope.tenant_id, domain.id)
            if current is None:
                raise _no_domain()
            proved = msgspec.structs.replace(
                current,
                verified_at=current.verified_at or scope.now,
                checked_at=scope.now,
                missing_since=None,
            )
            if current.verified_at is None:
                await scope.emit(DomainVerified(domain_id=domain.id, domain=domain.domain))
            return await rows.note_check(scope.conn, proved) or proved
    except asyncpg.UniqueViolationError:
        raise _proved_elsewhere(domain) from None


async def _withdraw(errand: Errand, domain: Domain) -> None:
    async with errand.scope() as scope:
        await rows.note_check(scope.conn, msgspec.structs.replace(domain, verified_at=None))
        await scope.emit(DomainLost(domain_id=domain.id, domain=domain.domain))


async def _is_present(house: House, domain: Domain) -> bool:
    found = await house.part(NameServers).resolver.texts(record_name(domain.domain))
    wanted = record_value(domain.challenge)
    return any(secrets.compare_digest(text.strip().encode(), wanted.encode()) for text in found)


async def _find_owners(house: House, name: str) -> set[UUID]:
    """Who has proved a domain, in every region."""

    async def ask(conn: Connection) -> UUID | None:
        return await rows.find_owner(conn, name)

    answers = await ask_regions(house.database, Reason.SIGN_IN, ask)
    return {answer for answer in answers if answer is not None}


async def _require_domain(scope: Scope, domain_id: UUID) -> Domain:
    domain = await rows.find(scope.conn, scope.tenant_id, domain_id)
    if domain is None:
        raise _no_domain()
    return domain


def _no_domain() -> NotFound:
    return NotFound("No such domain.")


def _proved_elsewhere(domain: Domain) -> Conflict:
    return Conflict(
        f"Another organisation here has proved {domain.domain}. Delete it there, or remove the "
        "other record and wait three days.",
        details={"field": "domain", "reason": "proved_elsewhere"},
    )
