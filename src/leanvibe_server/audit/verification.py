"""Whether a tenant's log is what was written: nothing changed, removed, moved or slipped in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from leanvibe_server.audit import chain, repository
from leanvibe_server.audit.chain import ChainKey
from leanvibe_server.audit.models import Seal
from leanvibe_server.kernel.certificates import is_genuine
from leanvibe_server.kernel.event_privacy import digest_of
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.personal_data import DataMap

BATCH = 1000


@dataclass(frozen=True)
class Fault:
    """What is wrong with the first entry that is not as it was sealed."""

    kind: str
    message: str
    position: int | None = None
    event_id: UUID | None = None


@dataclass(frozen=True)
class Verdict:
    """How far the chain holds."""

    tenant_id: UUID
    entries: int
    seals: int
    head: bytes | None
    fault: Fault | None
    checked_at: datetime

    @property
    def valid(self) -> bool:
        return self.fault is None


@dataclass
class _Walk:
    """Where the check stands in the chain."""

    key: ChainKey
    link: bytes
    ends: dict[int, Seal]
    erased: frozenset[UUID] = frozenset()
    kept_since: datetime | None = None
    position: int = 0


async def verify_tenant(house: House, tenant_id: UUID) -> Verdict:
    """Seal what is pending, then walk the whole chain and say what is wrong first, if anything.

    Source: OWASP ASVS 5.0, V16.4 "Log Protection".
    """
    await chain.seal_tenant(house, tenant_id)
    key = ChainKey.of(house, tenant_id)
    # Others seal meanwhile: what is noted was read before the seals, so it is never ahead of them,
    # and the walk ends where they do.
    noted = await chain.read_head(house, tenant_id)
    async with house.database.tenant(tenant_id) as conn:
        seals = await repository.list_seals(conn, tenant_id)
        walk = _Walk(key, key.beginning, {seal.last_position: seal for seal in seals})
    fault = await _walk_chain(house, tenant_id, walk)
    fault = fault or _check_seals(seals, walk) or _check_head(noted, walk, seals)
    fault = fault or await _check_beyond(house, tenant_id)
    head = seals[-1].hash if seals else None
    return Verdict(tenant_id, walk.position, len(seals), head, fault, house.clock.now())


def _proved(
    house: House, tenant_id: UUID, erased: Sequence[tuple[UUID, dict[str, Any], str]]
) -> frozenset[UUID]:
    """Whose erasure is certified: a row that somebody put in excuses nothing."""
    return frozenset(
        person
        for person, certificate, signature in erased
        if is_genuine(house, certificate, signature)
        and (certificate.get("tenant_id"), certificate.get("subject"))
        == (str(tenant_id), str(person))
    )


def _bounded(house: House, kept_since: datetime | None) -> datetime | None:
    """Before when parts may be gone by age: no tenant can have chosen a shorter period."""
    table = house.part(DataMap).find("event_personal")
    if kept_since is None or table is None or table.retention is None:
        return None
    return min(kept_since, house.clock.now() - timedelta(days=table.retention.shortest))


async def _check_beyond(house: House, tenant_id: UUID) -> Fault | None:
    """Whether anything stands outside of the chain and its seals."""
    async with house.database.tenant(tenant_id) as conn:
        bare = await repository.find_unsealed_end(conn, tenant_id)
        stray = await repository.find_never_sealed(conn, tenant_id)
    if bare is not None:
        return Fault("seal_broken", "The seal over the last entries is gone.", bare)
    if stray is not None:
        return Fault("inserted", "An entry was put in past the product.", None, stray)
    return None


async def _walk_chain(house: House, tenant_id: UUID, walk: _Walk) -> Fault | None:
    until = max(walk.ends, default=0)
    while True:
        async with house.database.tenant(tenant_id) as conn:
            rows = await repository.list_sealed(
                conn, tenant_id, after=walk.position, until=until, limit=BATCH
            )
            parts = await repository.list_parts(conn, tenant_id, [row["event_id"] for row in rows])
            # Read after the parts: an erasure that ends meanwhile is among these.
            walk.erased = _proved(house, tenant_id, await repository.list_erased(conn, tenant_id))
            walk.kept_since = _bounded(house, await repository.find_kept_since(conn, tenant_id))
        for row in rows:
            fault = _check_entry(walk, row) or _check_parts(walk, row, parts)
            if fault is not None:
                return fault
        if len(rows) < BATCH:
            return None


def _check_entry(walk: _Walk, row: Any) -> Fault | None:
    """Whether the entry is the next one and as it was, and go on to it."""
    position, event_id = row["position"], row["event_id"]
    if position != walk.position + 1:
        return Fault("removed", "The chain leaves out a place.", walk.position + 1)
    if row["id"] is None:
        return Fault("removed", "The entry is gone.", position, event_id)
    row_hash = chain.hash_row(row)
    link = walk.key.link(walk.link, position, event_id, row_hash)
    if link != row["chain_hash"]:
        if row_hash != row["row_hash"]:
            return Fault("changed", "The entry is not what was sealed.", position, event_id)
        return Fault("reordered", "Another entry stood at this place.", position, event_id)
    if row_hash != row["row_hash"]:
        return Fault("changed", "The hash of the entry was changed.", position, event_id)
    walk.link, walk.position = link, position
    seal = walk.ends.get(position)
    if seal is not None and seal.hash != link:
        return Fault("seal_broken", f"Seal {seal.seq} is not over these entries.", position)
    return None


def _check_parts(walk: _Walk, row: Any, parts: dict[Any, tuple[bytes, str]]) -> Fault | None:
    """Whether what the entry told of people is there as it was, or was erased as it should."""
    for person, digest in (row["personal_digests"] or {}).items():
        part = parts.get((row["event_id"], UUID(person)))
        if part is None:
            aged = walk.kept_since is not None and row["occurred_at"] < walk.kept_since
            if aged or UUID(person) in walk.erased:
                continue
            message = "What it told of a person was removed, and no erasure says why."
            return Fault("person_removed", message, row["position"], row["event_id"])
        if digest_of(*part) != digest:
            message = "What it told of a person is not what was sealed."
            return Fault("person_changed", message, row["position"], row["event_id"])
    return None


def _check_seals(seals: Sequence[Seal], walk: _Walk) -> Fault | None:
    return next(_faults_of_seals(seals, walk), None)


def _faults_of_seals(seals: Sequence[Seal], walk: _Walk) -> Iterator[Fault]:
    link, end = walk.key.beginning, 0
    for number, seal in enumerate(seals, 1):
        whole = seal.count == seal.last_position - seal.first_position + 1
        if (seal.seq, seal.previous_hash, seal.first_position) != (number, link, end + 1):
            yield Fault("seal_broken", f"Seal {number} does not follow the one before it.", end + 1)
        if not whole:
            yield Fault("seal_broken", f"Seal {number} counts wrongly.", seal.first_position)
        link, end = seal.hash, seal.last_position
    if end != walk.position:
        yield Fault("removed", "Entries or seals at the end are gone.", min(end, walk.position) + 1)


def _check_head(
    noted: tuple[int, bytes] | None, walk: _Walk, seals: Sequence[Seal]
) -> Fault | None:
    """Whether the chain still reaches the seal that is noted beside the database."""
    if noted is None:
        return None
    position, link = noted
    if position > walk.position:
        message = "The end of the log was cut off, or an older backup was restored."
        return Fault("removed", message, walk.position + 1)
    sealed = next((seal for seal in seals if seal.last_position == position), None)
    if sealed is None or sealed.hash != link:
        return Fault("seal_broken", "The log was replaced by another.", position)
    return None
