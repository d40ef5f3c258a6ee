"""The chain over each tenant's log: sealed by a job, so that who writes an entry never waits.

An entry is queued for the chain in the transaction that writes it, so it is sealed when and only
when that commits, however late; its place is the order of sealing and not that of its id. Each
link is an HMAC under a key derived of the master key: who can write to the database but does not
hold that key can forge none.
"""

import asyncio
import hashlib
import hmac
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from leanvibe_server.audit import repository
from leanvibe_server.audit.models import Entry, Seal
from leanvibe_server.kernel.crypto import write_private
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.log import logger
from leanvibe_server.kernel.platform import Reason, across_tenants
from leanvibe_server.kernel.pulse import UNREACHABLE

BATCH = 500
_RAW = (
    "tenant_id", "id", "name", "version", "public", "audited", "area", "payload", "actor_kind",
    "actor_id", "actor_label", "request_id", "address", "user_agent", "occurred_at", "stream",
    "stream_seq", "personal_digests",
)  # fmt: skip


@dataclass(frozen=True)
class ChainKey:
    """What links are made with; one for each tenant."""

    key: bytes

    @classmethod
    def of(cls, house: House, tenant_id: UUID) -> "ChainKey":
        return cls(house.vault.derive(f"audit chain {tenant_id}"))

    @property
    def beginning(self) -> bytes:
        return hmac.digest(self.key, b"beginning", "sha256")

    def link(self, previous: bytes, position: int, event_id: UUID, row_hash: bytes) -> bytes:
        """The hash over an entry and all before it."""
        told = previous + position.to_bytes(8) + event_id.bytes + row_hash
        return hmac.digest(self.key, told, "sha256")


def hash_row(row: Any) -> bytes:
    """SHA-256 over every column of an event in one fixed form."""
    values = [row[name] for name in _RAW]
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).digest()


async def seal_tenant(house: House, tenant_id: UUID) -> int:
    """Seal what the tenant's log holds beyond its last seal. Returns how many entries."""
    sealed = 0
    while True:
        async with house.database.tenant(tenant_id) as conn:
            seal = await _seal_batch(house, conn, tenant_id)
        if seal is None:
            return sealed
        await note_head(house, seal)
        sealed += seal.count
        if seal.count < BATCH:
            return sealed


async def _seal_batch(house: House, conn: Connection, tenant_id: UUID) -> Seal | None:
    await repository.take_turn(conn, tenant_id)
    rows = await repository.take_unsealed(conn, tenant_id, BATCH)
    if not rows:
        return None
    key, last = ChainKey.of(house, tenant_id), await repository.find_last_seal(conn, tenant_id)
    link = first = key.beginning if last is None else last.hash
    before = 0 if last is None else last.last_position
    entries = []
    for position, row in enumerate(rows, before + 1):
        row_hash = hash_row(row)
        link = key.link(link, position, row["id"], row_hash)
        entries.append(Entry(position, row["id"], row_hash, link))
    seal = Seal(
        tenant_id=tenant_id,
        seq=1 if last is None else last.seq + 1,
        first_position=before + 1,
        last_position=entries[-1].position,
        first_event_id=entries[0].event_id,
        last_event_id=entries[-1].event_id,
        count=len(entries),
        previous_hash=first,
        hash=link,
        sealed_at=house.clock.now(),
    )
    await repository.add_seal(conn, seal, entries)
    return seal


async def seal_all(house: House) -> None:
    """Seal every tenant's log. One tenant's trouble holds up no other."""
    for region in house.database.regions:
        try:
            async with across_tenants(house.database, Reason.AUDIT_CHAIN, region=region) as conn:
                tenants = await repository.list_tenants_to_seal(conn)
        except UNREACHABLE as error:
            logger("audit").warning("region not sealed", region=region, error=repr(error))
            continue
        for tenant_id in tenants:
            try:
                await seal_tenant(house, tenant_id)
            except Exception as error:
                logger("audit").warning("not sealed", tenant_id=str(tenant_id), exc_info=error)


async def head_path(house: House, tenant_id: UUID) -> Path:
    """Where the last seal is noted outside of the database."""
    region = await house.database.region_of(tenant_id)
    return house.settings.home_of(region) / "audit" / str(tenant_id) / "head"


async def note_head(house: House, seal: Seal) -> None:
    """Note the last seal beside the database, and in the program's log, so that an end that was
    cut off is missed."""
    path = await head_path(house, seal.tenant_id)
    head = {"position": seal.last_position, "hash": seal.hash.hex()}
    await asyncio.to_thread(write_private, path, json.dumps(head).encode())
    logger("audit").info("sealed", tenant_id=str(seal.tenant_id), seq=seal.seq, **head)


async def read_head(house: House, tenant_id: UUID) -> tuple[int, bytes] | None:
    """The last seal as noted beside the database."""
    path = await head_path(house, tenant_id)
    try:
        noted = json.loads(await asyncio.to_thread(path.read_bytes))
    except FileNotFoundError:
        return None
    return noted["position"], bytes.fromhex(noted["hash"])


async def forget_head(house: House, tenant_id: UUID) -> None:
    """Take the database as it is for the whole, as an operator does who restored a backup."""
    path = await head_path(house, tenant_id)
    await asyncio.to_thread(path.unlink, missing_ok=True)


async def list_logs(house: House) -> list[UUID]:
    """Every tenant, of every region, that has a log or had one."""
    found: list[UUID] = []
    for region in house.database.regions:
        async with across_tenants(house.database, Reason.AUDIT_CHAIN, region=region) as conn:
            listed = await repository.list_tenants_with_logs(conn)
        noted = await asyncio.to_thread(_noted_in, house.settings.home_of(region) / "audit")
        found += [*listed, *sorted(noted - set(listed))]
    return found


def _noted_in(folder: Path) -> set[UUID]:
    """Whose log is noted beside the database, even where nothing of it is left there."""
    found = set()
    for head in folder.glob("*/head"):
        with suppress(ValueError):
            found.add(UUID(head.parent.name))
    return found
