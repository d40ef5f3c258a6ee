"""Rows of the projects room."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A git repository and how the engine may work on it.

    `hosted` repositories live with the product; `credentials_sealed` opens only in the vault.
    `visibility` is organization or members.
    """

    tenant_id: UUID
    id: UUID
    name: str
    description: str
    tech_stack: list[str]
    repository_url: str
    hosted: bool
    default_branch: str | None
    ai_assistance_level: str
    configuration: dict[str, Any]
    credentials_sealed: bytes | None
    is_default: bool
    visibility: str
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """The roles somebody has on a project, with the project's name: `role` by themselves, None
    where only groups give one."""

    project_id: UUID
    project_name: str
    visibility: str
    role: str | None
    by_groups: list[dict[str, Any]]
    created_at: datetime


class GroupOnProject(msgspec.Struct, frozen=True, kw_only=True):
    """A group with a role on one project, and the names of both."""

    tenant_id: UUID
    project_id: UUID
    group_id: UUID
    role: str
    added_by: UUID | None
    created_at: datetime
    project_name: str
    visibility: str
    group_name: str


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with a role on one project."""

    tenant_id: UUID
    project_id: UUID
    user_id: UUID
    role: str
    added_by: UUID | None
    created_at: datetime
