"""Exports: asked for, written by a job, fetched by a link that soon ends, and removed."""

import base64
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from uuid import UUID

from leanvibe_server.compliance import archive, repository
from leanvibe_server.compliance.errors import ExportNotReady
from leanvibe_server.compliance.events import (
    ExportDownloaded,
    ExportExpired,
    ExportFailed,
    ExportReady,
    ExportRequested,
)
from leanvibe_server.compliance.models import Export
from leanvibe_server.identity import users
from leanvibe_server.identity.policy import check_address, policy_of
from leanvibe_server.identity.roles.service import permissions_of_roles
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.crypto import Undecipherable
from leanvibe_server.kernel.errors import Conflict, Forbidden, NotFound
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.ids import parse_id
from leanvibe_server.kernel.jobs import MAX_ATTEMPTS, Jobs, Work
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.personal_data import Subject
from leanvibe_server.kernel.platform import Reason, ask_regions
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import SYSTEM, Actor, Scope
from leanvibe_server.kernel.sealing import fetch_keys, seal, unseal_for

WRITE = "privacy.write_export"
REMOVE_FILE = "privacy.remove_file"
KEPT_FOR = timedelta(days=7)
LINK_LIVES = timedelta(minutes=15)
AT_ONCE = 5


async def request_export(scope: Scope, user_id: UUID | None) -> Export:
    """Have a file written of one person's data, or of the whole tenant's.

    Raises: NotFound: no such person here. Conflict: several are under way already. Forbidden: the
        caller acts here from an organisation above, and nobody but people of this one fetches it.
    """
    if scope.home_tenant_id is not None:
        raise Forbidden(
            "An export is asked for and fetched by people of the organisation itself. Ask one of "
            "its owners or administrators, or have yourself invited there.",
            details={"reason": "acting_below"},
        )
    if user_id is not None:
        await users.require_user(scope, user_id)
    if await repository.count_pending(scope.conn, scope.tenant_id) >= AT_ONCE:
        raise Conflict(f"{AT_ONCE} exports are under way. Wait until one is ready.")
    export = Export(
        tenant_id=scope.tenant_id,
        id=scope.new_id(),
        user_id=user_id,
        status="queued",
        requested_by=scope.actor.id,
        requested_at=scope.now,
        ready_at=None,
        expires_at=scope.now + KEPT_FOR,
        size_bytes=None,
        sha256=None,
        file_key_sealed=None,
    )
    await repository.add_export(scope.conn, export)
    await scope.enqueue(WRITE, export_id=export.id)
    await scope.emit(ExportRequested(export_id=export.id, user_id=user_id))
    return export


async def request_own_export(scope: Scope) -> Export:
    """As `request_export`, of the caller's own data."""
    if scope.actor.id is None:
        raise NotFound("No such user.")
    return await request_export(scope, scope.actor.id)


async def require_export(scope: Scope, export_id: UUID) -> Export:
    """An export the caller may see: every one with the permission, else what they asked for of
    their own.

    Raises: NotFound.
    """
    export = await repository.find_export(scope.conn, scope.tenant_id, export_id)
    own = export is not None and scope.actor.id in (export.user_id, None)
    own = own and export is not None and export.requested_by == scope.actor.id
    if export is None or not (own or Permission.PRIVACY_MANAGE in scope.permissions):
        raise NotFound("No such export.")
    return export


async def list_exports(scope: Scope, page: PageRequest, *, own_only: bool = False) -> list[Export]:
    """The newest first, one more than the page shows; one's own only without the permission."""
    every = Permission.PRIVACY_MANAGE in scope.permissions and not own_only
    return await repository.list_exports(
        scope.conn,
        scope.tenant_id,
        own_of=None if every else scope.actor.id,
        after=page.after,
        limit=page.limit + 1,
    )


async def write_export(work: Work, *, export_id: str) -> None:
    """Write the file; one that cannot be written, after the last try, stands in nobody's way."""
    try:
        await _write(work, export_id)
    except Exception as error:
        if work.attempt + 1 >= MAX_ATTEMPTS:
            await _give_up(work, UUID(export_id), type(error).__name__)
        raise


async def _give_up(work: Work, export_id: UUID, failure: str) -> None:
    async with work.scope() as scope:
        if await repository.fail_export(scope.conn, scope.tenant_id, export_id):
            await scope.emit(ExportFailed(export_id=export_id, failure=failure))
    await archive.remove(work.house, work.tenant_id, export_id)


async def _write(work: Work, export_id: str) -> None:
    """Write the file; what was withdrawn meanwhile is removed again."""
    async with work.scope() as scope:
        export = await repository.find_export(scope.conn, scope.tenant_id, UUID(export_id))
        if export is None or export.status != "queued":
            return
        subject = None
        if export.user_id is not None:
            user = await users.require_user(scope, export.user_id)
            subject = Subject(user.id, user.email)
    written = await archive.write(work.house, export, subject)
    await fetch_keys(work.house, work.tenant_id, to_seal=True)
    async with work.scope() as scope:
        done = await repository.finish_export(
            scope.conn, export, status="ready", now=scope.now,
            size_bytes=written.size_bytes, sha256=written.sha256,
            file_key_sealed=await seal(scope, written.key, place=_place(export.id)),
        )  # fmt: skip
        if done:
            await scope.emit(
                ExportReady(
                    export_id=export.id,
                    user_id=export.user_id,
                    size_bytes=written.size_bytes,
                    sha256=written.sha256,
                )
            )
    if not done:
        await archive.remove(work.house, work.tenant_id, export.id)


async def remove_file(work: Work, *, export_id: str) -> None:
    """Delete the file of an export that is over."""
    await archive.remove(work.house, work.tenant_id, UUID(export_id))


async def withdraw_of(scope: Scope, user_id: UUID, *, reason: str) -> int:
    """Withdraw every file that may tell of a person. Returns how many."""
    gone = await repository.expire_exports_of(scope.conn, scope.tenant_id, user_id)
    for export_id in gone:
        await scope.enqueue(REMOVE_FILE, export_id=export_id)
        await scope.emit(ExportExpired(export_id=export_id, reason=reason))
    return len(gone)


async def sweep(house: House) -> None:
    """Withdraw the exports whose time is over, and delete their files."""
    ask = partial(repository.list_due, now=house.clock.now())
    for due in await ask_regions(house.database, Reason.WORKER, ask):
        for tenant_id, export_id in due:
            await archive.remove(house, tenant_id, export_id)
            async with house.database.tenant(tenant_id) as conn:
                if await repository.expire_export(conn, tenant_id, export_id):
                    scope = Scope(conn, tenant_id, SYSTEM, house.clock, house)
                    await scope.emit(ExportExpired(export_id=export_id, reason="its time is over"))


@dataclass(frozen=True)
class Download:
    """A file on its way out, opened piece by piece."""

    pieces: Iterator[bytes]
    size_bytes: int
    name: str


def link_of(scope: Scope, export: Export) -> str | None:
    """A link that needs no header and lives a quarter of an hour; None when there is no file.

    It is bound to who asked for it, a person of the tenant, and works only while they may.
    """
    if scope.home_tenant_id is not None:
        return None
    if export.status != "ready" or scope.actor.id is None or scope.actor.kind != "user":
        return None
    until = int((scope.now + LINK_LIVES).timestamp())
    told = f"{export.tenant_id}/{export.id}/{scope.actor.id}/{until}"
    mark = _mark(scope.house, told)
    base = scope.house.settings.base_url
    return (
        f"{base}/v1/privacy/exports/{export.id}/download?tenant={export.tenant_id}"
        f"&for={scope.actor.id}&until={until}&signature={mark}"
    )


async def open_download(
    visit: Visit, export_id: UUID, *, tenant: str, person: str, until: int, signature: str
) -> Download:
    """The file behind a link.

    Raises: NotFound: the link is none of ours, is too old, or its holder may no more.
        Forbidden: the organisation does not allow the address. ExportNotReady: the file is gone.
    """
    house, now = visit.house, visit.house.clock.now()
    told = f"{tenant}/{export_id}/{person}/{until}"
    genuine = hmac.compare_digest(_mark(house, told).encode(), signature.encode())
    if not genuine or until <= now.timestamp():
        raise NotFound("This link has ended. Get a new one from the export.")
    tenant_id, user_id = parse_id(tenant), parse_id(person)
    async with house.database.tenant(tenant_id) as conn:
        actor = Actor("user", user_id, address=visit.address, user_agent=visit.user_agent)
        scope = Scope(conn, tenant_id, actor, house.clock, house, request_id=visit.request_id)
        user = await users.require_user(scope, user_id)
        scope = replace(scope, actor=replace(actor, label=user.email))
        if not user.may_sign_in(now):
            raise NotFound("This link has ended. Get a new one from the export.")
        check_address(await policy_of(scope), visit.address)
        held = await permissions_of_roles(scope, *user.roles)
        export = await require_export(replace(scope, permissions=held), export_id)
        if export.status != "ready" or export.file_key_sealed is None:
            raise _gone()
    pieces = await _open(house, export, export.file_key_sealed)
    async with house.database.tenant(tenant_id) as conn:
        event = ExportDownloaded(export_id=export_id, user_id=export.user_id, downloaded_by=user_id)
        await replace(scope, conn=conn).emit(event)
    return Download(pieces, export.size_bytes or 0, f"leanvibe-export-{export_id}.zip")


async def _open(house: House, export: Export, sealed: bytes) -> Iterator[bytes]:
    place = _place(export.id)
    try:
        key = await unseal_for(house, export.tenant_id, sealed, place=place)
        return await archive.read(house, export.tenant_id, export.id, key)
    except (FileNotFoundError, Undecipherable):
        raise _gone() from None


def _gone() -> ExportNotReady:
    return ExportNotReady("This export is not there any more. Ask for a new one.")


def _place(export_id: UUID) -> tuple[str, str, UUID]:
    return ("privacy_exports", "file_key_sealed", export_id)


def _mark(house: House, told: str) -> str:
    key = house.vault.derive("link to a privacy export")
    return base64.urlsafe_b64encode(hmac.digest(key, told.encode(), "sha256")).decode().rstrip("=")


def register(jobs: Jobs) -> None:
    jobs.add(WRITE, write_export, lane="long")
    jobs.add(REMOVE_FILE, remove_file)
