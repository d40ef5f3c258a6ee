"""Use cases of projects: add, list, change, remove, and what git needs to reach one."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from leanvibe_server.entitlements.service import require_room
from leanvibe_server.kernel.access import Permission, lacking
from leanvibe_server.kernel.crypto import Undecipherable
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import InvalidRequest
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.pagination import Page, PageRequest, containing, page_of
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.kernel.sealing import seal, unseal_for
from leanvibe_server.projects import access, members, repository
from leanvibe_server.projects.access import permissions_on, require_part, require_project, sight_of
from leanvibe_server.projects.errors import CredentialsUnreadable, ProjectBusy
from leanvibe_server.projects.events import ProjectCreated, ProjectDeleted, ProjectUpdated
from leanvibe_server.projects.git_commands import GitCredentials
from leanvibe_server.projects.models import Project
from leanvibe_server.projects.remote_urls import (
    RepositoryUrl,
    check_repository_url,
    hosted_repository_url,
)
from leanvibe_server.projects.schemas import (
    Configuration,
    NewProject,
    ProjectChange,
    ProjectView,
    RepositoryCredentials,
)

__all__ = ["permissions_on", "require_part", "require_project", "sight_of"]

PROJECTS = "projects"
REMOVE_FILES = "projects.remove_files"
DEFAULT_LEVEL = "full_autonomous"
DEFAULT_NAME = "Default project"


async def create_project(scope: Scope, new: NewProject) -> Project:
    """Add a project; without a URL its repository is kept by the product.

    Raises: QuotaExceeded. InvalidRequest: the URL cannot be used.
    """
    project_id = scope.new_id()
    url = _address(scope, project_id, new.repository_url)
    await require_room(scope, PROJECTS, count=count_projects)
    now = scope.now
    project = Project(
        tenant_id=scope.tenant_id,
        id=project_id,
        name=new.name,
        description=new.description or "",
        tech_stack=list(new.tech_stack),
        repository_url=url.text,
        hosted=new.repository_url is None,
        default_branch=new.default_branch,
        ai_assistance_level=new.level() or DEFAULT_LEVEL,
        configuration=_merged(Configuration().model_dump(), new.settings()),
        credentials_sealed=await _seal(scope, project_id, new.credentials),
        is_default=False,
        visibility=new.visibility,
        created_by=_person(scope),
        created_at=now,
        updated_at=now,
    )
    await _add(scope, project)
    if project.visibility == access.MEMBERS:
        await members.add_creator(scope, project)
    return project


async def require_default_project(scope: Scope) -> Project:
    """The project of tasks that name none; made the first time one is needed.

    Raises: QuotaExceeded.
    """
    found = await repository.find_default(scope.conn, scope.tenant_id)
    if found is None:
        await repository.wait_for_default(scope.conn, scope.tenant_id)
        found = await repository.find_default(scope.conn, scope.tenant_id)
    if found is not None:
        await access.require_entry(scope, found)
        return found
    if scope.wanted is not None and scope.wanted not in scope.permissions:
        raise lacking(scope.wanted, scope.actor)
    await require_room(scope, PROJECTS, count=count_projects)
    project_id, now = scope.new_id(), scope.now
    project = Project(
        tenant_id=scope.tenant_id,
        id=project_id,
        name=DEFAULT_NAME,
        description="Tasks that name no project go here.",
        tech_stack=[],
        repository_url=_address(scope, project_id, None).text,
        hosted=True,
        default_branch=None,
        ai_assistance_level=DEFAULT_LEVEL,
        configuration=Configuration().model_dump(),
        credentials_sealed=None,
        is_default=True,
        visibility=access.ORGANIZATION,
        created_by=_person(scope),
        created_at=now,
        updated_at=now,
    )
    await _add(scope, project)
    return project


async def _add(scope: Scope, project: Project) -> None:
    await repository.insert(scope.conn, project)
    await scope.emit(
        ProjectCreated(project_id=project.id, project_name=project.name, hosted=project.hosted)
    )


async def hold_project(scope: Scope, project_id: UUID) -> Project:
    """The project, which nobody can delete before this transaction ends.

    Raises: NotFound.
    """
    await repository.hold(scope.conn, scope.tenant_id, project_id)
    return await require_project(scope, project_id)


async def list_projects(
    scope: Scope,
    page: PageRequest,
    *,
    search: str | None = None,
    able: Permission = Permission.PROJECT_READ,
) -> Page[ProjectView]:
    """The projects where the caller is `able` to do something, to see them unless named, newest
    first; with `search` those whose name holds it."""
    rows = await repository.list_page(
        scope.conn,
        scope.tenant_id,
        after=page.after,
        limit=page.limit + 1,
        sight=await sight_of(scope, able),
        pattern=None if not search else containing(search),
    )
    return page_of(rows, page, ProjectView.of, lambda project: project.id)


async def count_projects(scope: Scope) -> int:
    """How many projects the tenant has, as its plan counts them."""
    return await repository.count(scope.conn, scope.tenant_id)


async def tally_projects(
    conn: Connection, tenant_ids: Sequence[UUID], now: datetime
) -> dict[UUID, int]:
    """How many projects each of several tenants has. Needs the platform's login."""
    return await repository.tally(conn, tenant_ids)


async def update_project(scope: Scope, project_id: UUID, change: ProjectChange) -> Project:
    """Change what is named.

    A new address drops the credentials unless new ones come along: a secret given for one host
    never goes to another.

    Raises: NotFound. InvalidRequest: the URL cannot be used. ProjectBusy: tasks work on the
        repository that is to be changed for another.
    """
    await repository.lock(scope.conn, scope.tenant_id, project_id)
    project = await require_project(scope, project_id)
    values = _plain_changes(change)
    if change.visibility is not None and change.visibility != project.visibility:
        await access.require_entry(scope, project, wanted=Permission.PROJECT_SHARE)
        values["visibility"] = change.visibility
    if change.repository_url is not None:
        url = _address(scope, project_id, change.repository_url)
        if url.text != project.repository_url:
            await _require_idle(scope, project_id, "give it another repository")
            values["repository_url"] = url.text
            values["hosted"] = False
            values["credentials_sealed"] = None
    if "credentials" in change.model_fields_set:
        values["credentials_sealed"] = await _seal(scope, project_id, change.credentials)
    settings = change.settings()
    if settings:
        values["configuration"] = _merged(project.configuration, settings)
    if not values:
        return project
    changed = msgspec.structs.replace(project, **values, updated_at=scope.now)
    await repository.update(scope.conn, changed)
    await scope.emit(ProjectUpdated(project_id=project_id, changed=sorted(values)))
    return changed


def _plain_changes(change: ProjectChange) -> dict[str, Any]:
    """The named fields that need no look at the project."""
    values: dict[str, Any] = {
        field: getattr(change, field)
        for field in ("name", "description", "tech_stack")
        if getattr(change, field) is not None
    }
    if "default_branch" in change.model_fields_set:
        values["default_branch"] = change.default_branch
    if change.level() is not None:
        values["ai_assistance_level"] = change.level()
    return values


async def delete_project(scope: Scope, project_id: UUID) -> None:
    """Remove the project with its tasks. A repository that is not ours stays as it is.

    Raises: NotFound. ProjectBusy: tasks are under way.
    """
    await repository.lock(scope.conn, scope.tenant_id, project_id)
    project = await require_project(scope, project_id)
    await _require_idle(scope, project_id, "delete it")
    await repository.delete(scope.conn, scope.tenant_id, project_id)
    await scope.enqueue(REMOVE_FILES, project_id=project_id)
    await scope.emit(
        ProjectDeleted(project_id=project_id, project_name=project.name, hosted=project.hosted)
    )


async def _require_idle(scope: Scope, project_id: UUID, wish: str) -> None:
    busy = await repository.count_unfinished_tasks(scope.conn, scope.tenant_id, project_id)
    if busy:
        raise ProjectBusy(
            f"The project has {busy} unfinished task{'s' if busy > 1 else ''}. "
            f"Cancel them or wait for their end, then {wish}.",
            details={"unfinished_tasks": busy},
        )


def repositories_of(house: House, tenant_id: UUID) -> Path:
    """Where the product keeps the repositories of one tenant."""
    return house.home_of(tenant_id) / "repositories" / str(tenant_id)


def hosted_path(house: House, tenant_id: UUID, project_id: UUID) -> Path:
    """Where the product keeps a project's repository."""
    return repositories_of(house, tenant_id) / f"{project_id}.git"


def mirror_path(house: House, tenant_id: UUID, project_id: UUID) -> Path:
    """Where our copy of a project's repository is."""
    return house.home_of(tenant_id) / "mirrors" / str(tenant_id) / f"{project_id}.git"


def address_of(house: House, project: Project) -> RepositoryUrl:
    """The address git may talk to, judged by the rules of today, not of when it was stored.

    Raises: InvalidRequest: the rules do not allow it any more.
    """
    if project.hosted:
        return hosted_repository_url(hosted_path(house, project.tenant_id, project.id))
    return _checked(house, project.tenant_id, project.repository_url)


async def git_credentials(house: House, project: Project) -> GitCredentials | None:
    """What opens the repository, in clear. Only for what talks to it, with no transaction open.

    Raises: CredentialsUnreadable: the keys they were sealed with were destroyed.
    """
    if project.credentials_sealed is None:
        return None
    try:
        text = await unseal_for(
            house, project.tenant_id, project.credentials_sealed, place=_place(project.id)
        )
    except Undecipherable:
        raise CredentialsUnreadable(
            "The credentials of this project cannot be read any more: the keys of this "
            "organisation were destroyed. Enter the credentials anew.",
            details={"field": "credentials"},
        ) from None
    opened = json.loads(text)
    return GitCredentials(
        username=opened["username"], token=opened["token"], private_key=opened["private_key"]
    )


def _checked(house: House, tenant_id: UUID, url: str) -> RepositoryUrl:
    return check_repository_url(
        url,
        production=house.settings.production,
        home=house.settings.home,
        allowed_file_roots=[repositories_of(house, tenant_id)],
    )


def _address(scope: Scope, project_id: UUID, url: str | None) -> RepositoryUrl:
    if url is None:
        return hosted_repository_url(hosted_path(scope.house, scope.tenant_id, project_id))
    return _checked(scope.house, scope.tenant_id, url)


def _place(project_id: UUID) -> tuple[str, str, UUID]:
    return ("projects", "credentials", project_id)


async def _seal(
    scope: Scope, project_id: UUID, credentials: RepositoryCredentials | None
) -> bytes | None:
    if credentials is None:
        return None
    text = json.dumps(credentials.plain())
    if len(text) > 24_000:
        raise InvalidRequest("The credentials are too long.", details={"field": "credentials"})
    return await seal(scope, text.encode(), place=_place(project_id))


def _merged(configuration: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    gates = {**configuration.get("quality_gates", {}), **named.get("quality_gates", {})}
    return {**configuration, **named, "quality_gates": gates}


def _person(scope: Scope) -> UUID | None:
    return scope.actor.id if scope.actor.kind == "user" else None
