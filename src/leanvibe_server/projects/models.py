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
    """A role somebody has on a project, with the project's name."""

    project_id: UUID
    project_name: str
    visibility: str
    role: str
    created_at: datetime


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with a role on one project."""

    tenant_id: UUID
    project_id: UUID
    user_id: UUID
    role: str
    added_by: UUID | None
    created_at: datetime
