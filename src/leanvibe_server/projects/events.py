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
    project_id: UUID
    changed: list[str]


class ProjectDeleted(Event, frozen=True, kw_only=True):
    """A project and its tasks were removed. Its repository stays, unless the product hosted it."""

    name: ClassVar[str] = "project.deleted"
    area: ClassVar[str] = "project"
    project_id: UUID
    project_name: str
    hosted: bool
