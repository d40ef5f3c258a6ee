"""Wire shapes of roles."""

import re
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from leanvibe_server.identity.roles.models import MadeRole
from leanvibe_server.kernel.pagination import Whole
from leanvibe_server.kernel.schemas import OneLine, Timestamp

MAX_NAME = 40
_NAME = r"^[a-z][a-z0-9]*([-_][a-z0-9]+)*$"


def _check_name(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        raise ValueError("takes a-z, 0-9, - and _ only, such as release-manager")
    return name


RoleName = Annotated[
    str,
    StringConstraints(min_length=2, max_length=MAX_NAME),
    AfterValidator(_check_name),
    Field(json_schema_extra={"pattern": _NAME}),
]
Description = Annotated[str, StringConstraints(max_length=200), OneLine]
Permissions = Annotated[
    list[str],
    Field(
        max_length=100,
        description="Names of permissions, none beyond your own",
        examples=[["project:read", "task:read", "task:create"]],
    ),
]


class NewRole(BaseModel):
    """A role to make of permissions."""

    name: RoleName = Field(
        description="Lower-case letters, digits, - and _; it cannot change later",
        examples=["release-manager"],
    )
    description: Description = ""
    permissions: Permissions


class RoleChange(BaseModel):
    """What to change of a role; what is not named stays."""

    description: Description | None = None
    permissions: Permissions | None = None


class RoleView(BaseModel):
    """A role with what it permits. `id` is null for a role that every tenant has."""

    id: UUID | None
    name: str
    description: str
    built_in: bool
    permissions: list[str]
    users_count: int = Field(description="How many people have it")
    assignable: bool = Field(description="Whether you may give it: never more than you hold")
    created_at: Timestamp | None
    updated_at: Timestamp | None

    @classmethod
    def of(
        cls, role: MadeRole, *, permissions: list[str], people: int, assignable: bool
    ) -> "RoleView":
        return cls(
            id=role.id,
            name=role.name,
            description=role.description,
            built_in=False,
            permissions=permissions,
            users_count=people,
            assignable=assignable,
            created_at=role.created_at,
            updated_at=role.updated_at,
        )


class RoleList(Whole[RoleView]):
    """Every role one can have here: those of the product first, then the tenant's own by name."""
