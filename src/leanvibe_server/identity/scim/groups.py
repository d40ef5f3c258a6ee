"""Groups, kept in step with an identity provider. What role one gives, no client says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec

from leanvibe_server.identity.groups import repository as group_rows
from leanvibe_server.identity.groups import service
from leanvibe_server.identity.groups.models import Group
from leanvibe_server.identity.groups.schemas import NewGroup
from leanvibe_server.identity.scim import repository as rows
from leanvibe_server.identity.scim.conditions import GROUPS
from leanvibe_server.identity.scim.definitions import GROUP
from leanvibe_server.identity.scim.entrance import Provisioner
from leanvibe_server.identity.scim.errors import invalid, not_unique
from leanvibe_server.identity.scim.filters import Compare, Either, Node, parse_filter
from leanvibe_server.identity.scim.lists import ListQuery, View, question_of
from leanvibe_server.identity.scim.patching import Operation, read_operations
from leanvibe_server.identity.scim.replies import NO_CONTENT, NOT_MODIFIED, Reply
from leanvibe_server.identity.scim.resources import group_resource, group_version, list_resource
from leanvibe_server.identity.scim.versions import check_match, is_known
from leanvibe_server.kernel.errors import Conflict, NotFound
from leanvibe_server.kernel.schemas import one_line

MAX_NAME = 200
MAX_MEMBERS = 100_000
# A client may send each of its members as an operation of its own.
MAX_OPERATIONS = 20_000


@dataclass
class Draft:
    """A group under way: its face, and who is to be in and out. `cleared` takes out all who are in
    before `added` come in."""

    name: str
    external_id: str | None
    added: dict[UUID, None] = field(default_factory=dict)
    removed: dict[UUID, None] = field(default_factory=dict)
    cleared: bool = False

    def add(self, ids: Sequence[UUID]) -> None:
        for one in ids:
            self.added[one] = None
            self.removed.pop(one, None)

    def remove(self, ids: Sequence[UUID]) -> None:
        for one in ids:
            self.removed[one] = None
            self.added.pop(one, None)

    def clear(self) -> None:
        self.cleared = True
        self.added.clear()
        self.removed.clear()


async def create(caller: Provisioner, body: Mapping[str, Any], view: View) -> Reply:
    """Make a group. Raises: InvalidRequest. Conflict: the name is taken."""
    draft = _read_whole(body)
    try:
        group = await service.create(
            caller.scope, NewGroup(name=draft.name), external_id=draft.external_id
        )
    except Conflict as error:
        raise not_unique(error.message) from None
    await _move(caller, group, draft)
    return await _reply(caller, group.id, view, status=201)


async def get(caller: Provisioner, group_id: UUID, view: View) -> Reply:
    """One group. Raises: NotFound."""
    group = await service.require_group(caller.scope, group_id)
    if is_known(caller, group_version(group)):
        return Reply(NOT_MODIFIED, None, {"ETag": group_version(group)})
    return await _reply(caller, group_id, view)


async def find(caller: Provisioner, query: ListQuery) -> Reply:
    """The groups a filter leaves. Raises: InvalidRequest."""
    scope, question = caller.scope, question_of(query, GROUPS)
    total, found = await rows.list_groups(scope.conn, scope.tenant_id, question)
    projection = query.projection()
    ids = [group.id for group in found] if projection.wants("members") else []
    by_group: dict[UUID, list[Any]] = {}
    for one in await rows.members_of(scope.conn, scope.tenant_id, ids):
        by_group.setdefault(one.owner_id, []).append(one)
    shown = [
        projection.cut(group_resource(group, caller.base, by_group.get(group.id)))
        for group in found
    ]
    return Reply(200, list_resource(shown, total=total, start=question.start))


async def replace(
    caller: Provisioner, group_id: UUID, body: Mapping[str, Any], view: View
) -> Reply:
    """Say anew who is in a group and what it is called.

    Raises: NotFound, InvalidRequest, Conflict, PreconditionFailed.
    """
    group = await _lock(caller, group_id)
    draft = _read_whole(body)
    draft.cleared = True
    await _save(caller, group, draft)
    return await _reply(caller, group_id, view)


async def patch(caller: Provisioner, group_id: UUID, body: Mapping[str, Any], view: View) -> Reply:
    """Change a group. Without a wish for attributes the answer is empty: a group may be large.

    Raises: NotFound, InvalidRequest, Conflict, PreconditionFailed.
    """
    operations = read_operations(body, most=MAX_OPERATIONS)
    group = await _lock(caller, group_id)
    draft = Draft(group.name, group.external_id)
    for operation in operations:
        _step(draft, operation)
    await _save(caller, group, draft)
    if view.attributes or view.excluded:
        return await _reply(caller, group_id, view)
    after = await service.require_group(caller.scope, group_id)
    return Reply(NO_CONTENT, None, {"ETag": group_version(after)})


async def delete(caller: Provisioner, group_id: UUID) -> Reply:
    """Delete a group; its members stay, without the role it gave.

    Raises: NotFound, PreconditionFailed.
    """
    await service.remove_group(caller.scope, await _lock(caller, group_id))
    return Reply(NO_CONTENT)


async def _lock(caller: Provisioner, group_id: UUID) -> Group:
    group = await service.lock_group(caller.scope, group_id)
    check_match(caller, group_version(group))
    return group


async def _save(caller: Provisioner, group: Group, draft: Draft) -> None:
    updated = msgspec.structs.replace(group, name=draft.name, external_id=draft.external_id)
    try:
        await service.save(caller.scope, group, updated)
    except Conflict as error:
        raise not_unique(error.message) from None
    await _move(caller, group, draft)


async def _move(caller: Provisioner, group: Group, draft: Draft) -> None:
    added = list(draft.added)
    if added and await service.find_unknown(caller.scope, added) is not None:
        raise invalid("invalidValue", "One of the members is no user of this tenant.")
    removed = list(draft.removed)
    if draft.cleared:
        scope = caller.scope
        there = await group_rows.list_member_ids(scope.conn, scope.tenant_id, group.id)
        removed = [one for one in there if one not in draft.added]
    await service.change_members(caller.scope, group, add=added, remove=removed)


def _step(draft: Draft, operation: Operation) -> None:
    path = (operation.path or "").removeprefix(f"{GROUP}:")
    name = path.partition("[")[0].lower()
    if not path:
        _merge(draft, operation)
    elif name == "members":
        _step_members(draft, operation, path)
    elif name in ("displayname", "externalid"):
        if operation.kind == "remove" and name == "displayname":
            raise invalid("mutability", "A group needs its displayName.")
        _put(draft, name, None if operation.kind == "remove" else operation.value)
    elif name in ("id", "meta", "schemas"):
        raise invalid("mutability", f"{path} cannot be written.")
    else:
        raise invalid("invalidPath", f"There is no attribute {path[:80]!r}.")


def _merge(draft: Draft, operation: Operation) -> None:
    if not isinstance(operation.value, dict):
        raise invalid("invalidValue", "Without a path, value must be an object.")
    for key, value in operation.value.items():
        name = key.lower()
        if name == "members":
            _step_members(draft, Operation(operation.kind, "members", value), "members")
        elif name in ("displayname", "externalid"):
            _put(draft, name, value)


def _put(draft: Draft, name: str, value: Any) -> None:
    if name == "displayname":
        draft.name = _name(value)
    else:
        draft.external_id = _external_id(value)


def _step_members(draft: Draft, operation: Operation, path: str) -> None:
    chosen = path[len("members") :]
    if chosen:
        if operation.kind != "remove" or not (chosen.startswith("[") and chosen.endswith("]")):
            raise invalid("invalidPath", "Members are removed by a condition, and not changed.")
        draft.remove(_named(parse_filter(chosen[1:-1])))
    elif operation.kind == "remove" and operation.value is None:
        draft.clear()
    elif operation.kind == "remove":
        draft.remove(_ids(operation.value, strict=False))
    else:
        if operation.kind == "replace":
            draft.clear()
        draft.add(_ids(operation.value))


def _named(condition: Node) -> list[UUID]:
    """The members a condition names: `value eq "…"`, or several of these."""
    parts = condition.parts if isinstance(condition, Either) else (condition,)
    found = []
    for part in parts:
        if not isinstance(part, Compare) or (part.path.lower(), part.operator) != ("value", "eq"):
            raise invalid("invalidFilter", 'Members are named by value eq "…".')
        found += _ids([{"value": part.value}], strict=False)
    return found


def _read_whole(body: Mapping[str, Any]) -> Draft:
    named = {key.lower(): value for key, value in body.items()}
    draft = Draft(_name(named.get("displayname")), _external_id(named.get("externalid")))
    draft.add(_ids(named.get("members") or []))
    return draft


def _name(value: Any) -> str:
    name = one_line(value)
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
        raise invalid("invalidValue", f"displayName must be a text of 1 to {MAX_NAME} characters.")
    return name


def _external_id(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and len(value) <= MAX_NAME):
        return value or None
    raise invalid("invalidValue", f"externalId must be a text of up to {MAX_NAME} characters.")


def _ids(value: Any, *, strict: bool = True) -> list[UUID]:
    """The members a value names. What is no id names nobody: an error, unless they are to go."""
    values = value if isinstance(value, list) else [value]
    if len(values) > MAX_MEMBERS:
        raise invalid("tooMany", f"At most {MAX_MEMBERS} members are taken at once.")
    found = []
    for one in values:
        text = one.get("value") if isinstance(one, dict) else one
        try:
            if not isinstance(text, str):
                raise ValueError
            found.append(UUID(text))
        except ValueError:
            if strict:
                raise invalid("invalidValue", "Each member needs the id of a user.") from None
    return found


async def _reply(caller: Provisioner, group_id: UUID, view: View, *, status: int = 200) -> Reply:
    scope, projection = caller.scope, view.projection()
    group = await group_rows.find(scope.conn, scope.tenant_id, group_id)
    if group is None:
        raise NotFound("No such group.")
    ids = [group_id] if projection.wants("members") else []
    members = await rows.members_of(scope.conn, scope.tenant_id, ids)
    resource = group_resource(group, caller.base, members)
    return Reply.of(resource, shown=projection.cut(resource), status=status)
