"""Erasure of a person: everything that names them goes, and a certificate says what did."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from leanvibe_server.compliance import exports, repository
from leanvibe_server.compliance.archive import require_complete
from leanvibe_server.compliance.events import PersonErased
from leanvibe_server.compliance.models import Erased
from leanvibe_server.identity import users
from leanvibe_server.identity.models import User
from leanvibe_server.identity.roles.service import require_over
from leanvibe_server.kernel.certificates import sign
from leanvibe_server.kernel.clock import rfc3339
from leanvibe_server.kernel.errors import Conflict, NotFound
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.personal_data import DataMap, Subject
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy.holds import require_no_hold

FORMAT = "leanvibe-erasure/1"
NOTE = "privacy.note_erasure"


async def erase(scope: Scope, user_id: UUID) -> Erased:
    """Erase a person from the scope's tenant, and nowhere else.

    Sessions, keys and links end with their rows. The log keeps the pseudonym. What the
    organisation wrote itself, such as the text of a task, stays; the certificate counts in which
    tables the address still stands.

    Raises: NotFound. Forbidden: above one's own role. Conflict: the last owner, or oneself.
        OnLegalHold.
    Source: GDPR Art. 17.
    """
    user = await users.require_user(scope, user_id)
    await require_over(scope, *user.roles)
    if user_id == scope.actor.id:
        raise Conflict("Have somebody else erase you: who erases signs for it.")
    return await erase_user(scope, user)


async def erase_user(scope: Scope, user: User) -> Erased:
    """As `erase`, where whoever asks need not be asked. Raises: Conflict: the last owner.
    OnLegalHold."""
    user_id = user.id
    await require_no_hold(scope, user_id)
    data_map = scope.house.part(DataMap)
    earlier = await repository.list_earlier_addresses(scope.conn, scope.tenant_id, user_id)
    subjects = [Subject(user.id, email) for email in (*earlier, user.email)]
    require_complete(data_map, await repository.read_schema(scope.conn))
    rows: dict[str, int] = {}
    for more in data_map.more:
        rows |= await more(scope, subjects[-1])
    withdrawn = await exports.withdraw_of(scope, user_id, reason="a person was erased")
    deleted, kept = await _go_through(scope, data_map, subjects)
    rows |= deleted
    erasure_id, erased_at = scope.new_id(), scope.now
    # Written before the last look, so that the log itself is looked through too.
    await scope.emit(PersonErased(erasure_id=erasure_id, user_id=user_id, rows=rows))
    certificate: dict[str, Any] = {
        "format": FORMAT,
        "erasure_id": str(erasure_id),
        "tenant_id": str(scope.tenant_id),
        "subject": str(user_id),
        "erased_at": rfc3339(erased_at),
        "erased_by": str(scope.actor.id or scope.actor.kind),
        "rows_erased": rows,
        "exports_withdrawn": withdrawn,
        "kept": kept,
        "mentions_left": await _mentions(scope, data_map, subjects),
    }
    erased = Erased(
        tenant_id=scope.tenant_id,
        id=erasure_id,
        user_id=user_id,
        requested_by=scope.actor.id,
        erased_at=erased_at,
        certificate=certificate,
        signature=sign(scope.house, certificate),
    )
    await repository.add_erased(scope.conn, erased)
    await scope.enqueue(NOTE, erasure_id=erasure_id)
    return erased


async def _go_through(
    scope: Scope, data_map: DataMap, subjects: Sequence[Subject]
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """Delete what is to be deleted under any of the person's addresses; what is kept, with the
    reason."""
    deleted: dict[str, int] = {}
    kept: list[dict[str, Any]] = []
    for table in data_map.tables:
        if table.person is None:
            continue
        if table.erasure == "delete":
            count = 0
            for subject in subjects:
                count += await repository.delete_of_person(
                    scope.conn, table, scope.tenant_id, subject
                )
            if count:
                deleted[table.table] = count
            continue
        count = await repository.count_of_person(scope.conn, table, scope.tenant_id, subjects[-1])
        if count:
            kept.append({"table": table.table, "rows": count, "reason": table.kept_because})
    return deleted, kept


async def _mentions(scope: Scope, data_map: DataMap, subjects: Sequence[Subject]) -> dict[str, int]:
    """Where an address of theirs still stands in what others wrote."""
    found: dict[str, int] = {}
    for table in data_map.tables:
        for subject in subjects:
            count = await repository.count_mentions(
                scope.conn, table, scope.tenant_id, subject.email
            )
            found[table.table] = found.get(table.table, 0) + count
    return {table: count for table, count in found.items() if count}


async def require_erased(scope: Scope, erasure_id: UUID) -> Erased:
    """Raises: NotFound."""
    erased = await repository.find_erased(scope.conn, scope.tenant_id, erasure_id)
    if erased is None:
        raise NotFound("No such erasure.")
    return erased


async def list_erased(scope: Scope, page: PageRequest) -> list[Erased]:
    """The newest first, one more than the page shows."""
    return await repository.list_erased(
        scope.conn, scope.tenant_id, after=page.after, limit=page.limit + 1
    )
