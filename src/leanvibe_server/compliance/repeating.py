"""Erasures outlive the database: each certificate is noted beside it, so that whoever comes back
with a restored backup is erased again, people and whole organisations."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from leanvibe_server.compliance import erasure, repository
from leanvibe_server.identity import users
from leanvibe_server.kernel.certificates import is_genuine
from leanvibe_server.kernel.crypto import write_private
from leanvibe_server.kernel.errors import AppError, NotFound
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import Jobs, Work
from leanvibe_server.kernel.log import logger
from leanvibe_server.kernel.pulse import UNREACHABLE
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.kernel.sealing import home_of
from leanvibe_server.tenancy import purge

FOLDER = "erasures"


@dataclass(frozen=True)
class Repeated:
    """How many people and organisations were erased again, and whose erasure was refused, with
    the reason."""

    people: int
    organisations: int
    refused: tuple[str, ...]


async def note_erasure(work: Work, *, erasure_id: str) -> None:
    """Note the certificate in the files of the tenant's region. It names a pseudonym only."""
    async with work.scope() as scope:
        erased = await repository.find_erased(scope.conn, scope.tenant_id, UUID(erasure_id))
    if erased is None:
        return
    note = {"certificate": erased.certificate, "signature": erased.signature}
    path = await home_of(work.house, work.tenant_id) / FOLDER / str(work.tenant_id)
    text = json.dumps(note).encode()
    await asyncio.to_thread(write_private, path / f"{erased.id}.json", text)


async def repeat_all(house: House) -> Repeated:
    """Erase again everybody whose certificate is noted and who is there all the same."""
    done, refused = Counter[str](), []
    for region in house.database.regions:
        notes = await asyncio.to_thread(_read_notes, house.settings.home_of(region) / FOLDER)
        for note in notes:
            try:
                certificate = _require_genuine(house, note)
                if certificate["format"] == purge.FORMAT:
                    tenant_id = UUID(certificate["tenant_id"])
                    done["organisations"] += await purge.delete_again(house, tenant_id, region)
                else:
                    done["people"] += await _repeat(house, certificate)
            except (*UNREACHABLE, AppError, ValueError, KeyError, TypeError) as error:
                refused.append(f"{note.get('path')}: {error or type(error).__name__}")
    return Repeated(done["people"], done["organisations"], tuple(refused))


async def repeat_at_start(house: House) -> None:
    """As `repeat_all`, when a worker starts: whoever restores a backup may forget to ask for it."""
    try:
        repeated = await repeat_all(house)
    except OSError as error:
        logger("privacy").warning("erasures not repeated", exc_info=error)
        return
    if repeated.people or repeated.organisations or repeated.refused:
        logger("privacy").warning(
            "erasures repeated",
            people=repeated.people,
            organisations=repeated.organisations,
            refused=repeated.refused,
        )


def _require_genuine(house: House, note: dict[str, Any]) -> dict[str, Any]:
    certificate: dict[str, Any] = note["certificate"]
    if not is_genuine(house, certificate, note["signature"]):
        raise ValueError("the certificate was not signed here")
    return certificate


async def _repeat(house: House, certificate: dict[str, Any]) -> bool:
    tenant_id, person = UUID(certificate["tenant_id"]), UUID(certificate["subject"])
    async with house.database.tenant(tenant_id) as conn:
        scope = Scope(conn, tenant_id, SYSTEM, house.clock, house)
        try:
            user = await users.require_user(scope, person)
        except NotFound:
            return False
        await erasure.erase_user(scope, user)
    return True


def _read_notes(folder: Path) -> list[dict[str, Any]]:
    """In the order they were written: of two organisations, the one below went first."""
    found = []
    for path in sorted(folder.glob("*/*.json"), key=lambda path: path.stat().st_mtime):
        try:
            note = json.loads(path.read_bytes())
        except ValueError:
            note = {}
        found.append({**note, "path": str(path)})
    return found


def register(jobs: Jobs) -> None:
    jobs.add(erasure.NOTE, note_erasure)
