"""What happens to the roles of a tenant."""

from typing import ClassVar
from uuid import UUID

from leanvibe_server.identity.events import AuthEvent


class RoleCreated(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "role.created"
    role_id: UUID
    role: str
    permissions: list[str]


class RoleUpdated(AuthEvent, frozen=True, kw_only=True):
    """`added` and `removed` are the permissions that changed for everybody of the role."""

    name: ClassVar[str] = "role.updated"
    ends_access: ClassVar[bool] = True
    role_id: UUID
    role: str
    added: list[str]
    removed: list[str]


class RoleDeleted(AuthEvent, frozen=True, kw_only=True):
    """`replacement` is what the people of the role have now."""

    name: ClassVar[str] = "role.deleted"
    ends_access: ClassVar[bool] = True
    role_id: UUID
    role: str
    replacement: str | None
    people: int
