"""What happens to projects."""

from typing import ClassVar
from uuid import UUID

from leanvibe_server.kernel.events import Event


class ProjectCreated(Event, frozen=True, kw_only=True):
    """A project was added."""

    name: ClassVar[str] = "project.created"
    public: ClassVar[bool] = True
    area: ClassVar[str] = "project"
    project_id: UUID
    project_name: str
    hosted: bool


class ProjectUpdated(Event, frozen=True, kw_only=True):
    """Settings of a project changed; `changed` names them, never their values."""

    name: ClassVar[str] = "project.updated"
    area: ClassVar[str] = "project"
    ends_access: ClassVar[bool] = True
    project_id: UUID
    changed: list[str]


class ProjectDeleted(Event, frozen=True, kw_only=True):
    """A project and its tasks were removed. Its repository stays, unless the product hosted it."""

    name: ClassVar[str] = "project.deleted"
    area: ClassVar[str] = "project"
    ends_access: ClassVar[bool] = True
    project_id: UUID
    project_name: str
    hosted: bool


class ProjectMemberSet(Event, frozen=True, kw_only=True):
    """Somebody got a role on a project; `before` is the one they had."""

    name: ClassVar[str] = "project.member_set"
    area: ClassVar[str] = "project"
    ends_access: ClassVar[bool] = True
    project_id: UUID
    user_id: UUID
    role: str
    before: str | None


class ProjectGroupSet(Event, frozen=True, kw_only=True):
    """A group got a role on a project; `before` is the one it had."""

    name: ClassVar[str] = "project.group_set"
    area: ClassVar[str] = "project"
    ends_access: ClassVar[bool] = True
    project_id: UUID
    group_id: UUID
    role: str
    before: str | None


class ProjectGroupRemoved(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "project.group_removed"
    area: ClassVar[str] = "project"
    ends_access: ClassVar[bool] = True
    project_id: UUID
    group_id: UUID
    role: str


class ProjectMemberRemoved(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "project.member_removed"
    area: ClassVar[str] = "project"
    ends_access: ClassVar[bool] = True
    project_id: UUID
    user_id: UUID
    role: str
