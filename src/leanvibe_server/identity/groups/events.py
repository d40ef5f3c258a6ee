"""What happens to groups. Lists of people are told in parts of at most `MOST_NAMED`."""

from typing import ClassVar
from uuid import UUID

from leanvibe_server.identity.events import AuthEvent

MOST_NAMED = 500


class GroupCreated(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "group.created"
    group_id: UUID
    group_name: str
    role: str | None


class GroupUpdated(AuthEvent, frozen=True, kw_only=True):
    """`changed` maps a field to its value before and after."""

    name: ClassVar[str] = "group.updated"
    group_id: UUID
    changed: dict[str, tuple[str, str]]


class GroupDeleted(AuthEvent, frozen=True, kw_only=True):
    """The group, and with it its roles on projects."""

    name: ClassVar[str] = "group.deleted"
    ends_access: ClassVar[bool] = True
    group_id: UUID
    group_name: str


class GroupMembersChanged(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "group.members_changed"
    ends_access: ClassVar[bool] = True
    group_id: UUID
    added: list[UUID]
    removed: list[UUID]


class GroupRolesApplied(AuthEvent, frozen=True, kw_only=True):
    """People got another role by joining or leaving groups: before and after, by user."""

    name: ClassVar[str] = "group.roles_applied"
    ends_access: ClassVar[bool] = True
    roles: dict[str, tuple[str, str]]
