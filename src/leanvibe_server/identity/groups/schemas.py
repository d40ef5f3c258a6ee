"""Wire shapes of groups."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from leanvibe_server.identity.groups.models import Group, Member
from leanvibe_server.kernel.schemas import OneLine, Timestamp

GroupRole = Annotated[
    str,
    Field(
        max_length=40,
        description="Any role but owner; it counts beside what members have",
        examples=["developer"],
    ),
]
GroupName = Annotated[str, Field(min_length=1, max_length=200, examples=["Engineering"]), OneLine]
Description = Annotated[str, Field(max_length=500), OneLine]


class NewGroup(BaseModel):
    """A group to make."""

    name: GroupName
    description: Description = ""
    role: GroupRole | None = None


class GroupChange(BaseModel):
    """What to change; what is not named stays. A `role` of null gives no role any more."""

    name: GroupName | None = None
    description: Description | None = None
    role: GroupRole | None = None


class NewMembers(BaseModel):
    """People to add; those who are in already stay."""

    user_ids: list[UUID] = Field(min_length=1, max_length=1000)


class GroupView(BaseModel):
    """Some people of the tenant, and the role they get by it."""

    id: UUID
    name: str
    description: str
    external_id: str | None = Field(description="What a provisioning client calls it")
    role: str | None
    members_count: int
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, group: Group) -> "GroupView":
        return cls(
            id=group.id,
            name=group.name,
            description=group.description,
            external_id=group.external_id,
            role=group.role,
            members_count=group.members_count,
            created_at=group.created_at,
            updated_at=group.updated_at,
        )


class MemberView(BaseModel):
    """Somebody in a group."""

    user_id: UUID
    email: str
    username: str
    added_at: Timestamp

    @classmethod
    def of(cls, member: Member) -> "MemberView":
        return cls(
            user_id=member.user_id,
            email=member.email,
            username=member.username,
            added_at=member.added_at,
        )
