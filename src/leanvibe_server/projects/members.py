"""The members of a project: who has a role there beside, or without, one in the tenant."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from leanvibe_server.identity import service as identity
from leanvibe_server.kernel.access import Permission, Role
from leanvibe_server.kernel.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    invalid_field,
)
from leanvibe_server.kernel.pagination import Page, PageRequest, encode_cursor, page_of
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.projects import repository
from leanvibe_server.projects.access import permissions_on, require_project, sight_of
from leanvibe_server.projects.events import ProjectMemberRemoved, ProjectMemberSet
from leanvibe_server.projects.models import Member, Project
from leanvibe_server.projects.schemas import MembershipView, MemberView

SHARE = Permission.PROJECT_SHARE


async def list_members(scope: Scope, project_id: UUID, page: PageRequest) -> Page[MemberView]:
    """Who has a role on the project. Raises: NotFound."""
    await require_project(scope, project_id)
    rows = await repository.list_members(
        scope.conn, scope.tenant_id, project_id, after=page.after, limit=page.limit + 1
    )
    shown = rows[: page.limit]
    more = len(rows) > page.limit
    return Page(
        data=await _views(scope, shown),
        has_more=more,
        next_cursor=encode_cursor(shown[-1].user_id) if more else None,
    )


async def list_memberships(scope: Scope, user_id: UUID, page: PageRequest) -> Page[MembershipView]:
    """The roles somebody has on projects, of those the caller may see. Raises: NotFound."""
    user = await identity.require_user(scope, user_id)
    rows = await repository.list_memberships(
        scope.conn,
        scope.tenant_id,
        user.id,
        await sight_of(scope, Permission.PROJECT_READ),
        after=page.after,
        limit=page.limit + 1,
    )
    return page_of(
        rows,
        page,
        lambda row: MembershipView.model_validate(msgspec.structs.asdict(row)),
        lambda row: row.project_id,
    )


async def set_member(scope: Scope, project_id: UUID, user_id: UUID, role: str) -> MemberView:
    """Give somebody of the tenant a role on the project, in place of the one they have there.

    Raises: NotFound: no such project or user. InvalidRequest: the role permits nothing on a
        project. Forbidden: it, or the one they have, permits more than the caller may do there.
    """
    project = await require_project(scope, project_id, wanted=SHARE)
    own = await permissions_on(scope, project)
    await require_givable(scope, role, own)
    user = await identity.require_user(scope, user_id)
    if user.status == "disabled":
        raise Conflict("This user is disabled.")
    before = await _existing(scope, project, user_id, own)
    member = Member(
        tenant_id=scope.tenant_id,
        project_id=project_id,
        user_id=user_id,
        role=role,
        added_by=scope.actor.id,
        created_at=before.created_at if before else scope.now,
    )
    await _put(scope, member, before)
    return (await _views(scope, [member]))[0]


async def remove_member(scope: Scope, project_id: UUID, user_id: UUID) -> None:
    """Take somebody's role on the project, at once.

    Raises: NotFound. Forbidden: their role there may do more than the caller.
    """
    project = await require_project(scope, project_id, wanted=SHARE)
    own = await permissions_on(scope, project)
    member = await _existing(scope, project, user_id, own)
    if member is None:
        raise NotFound("No such member.")
    await repository.delete_member(scope.conn, scope.tenant_id, project_id, user_id)
    await scope.emit(ProjectMemberRemoved(project_id=project_id, user_id=user_id, role=member.role))


async def add_creator(scope: Scope, project: Project) -> None:
    """Who adds a restricted project runs it, and would not see it otherwise."""
    if scope.actor.id is None or scope.home_tenant_id is not None:
        return
    member = Member(
        tenant_id=scope.tenant_id,
        project_id=project.id,
        user_id=scope.actor.id,
        role=Role.MANAGER.value,
        added_by=scope.actor.id,
        created_at=scope.now,
    )
    await _put(scope, member, None)


async def _put(scope: Scope, member: Member, before: Member | None) -> None:
    await repository.put_member(scope.conn, member)
    await scope.emit(
        ProjectMemberSet(
            project_id=member.project_id,
            user_id=member.user_id,
            role=member.role,
            before=None if before is None else before.role,
        )
    )


async def _existing(
    scope: Scope, project: Project, user_id: UUID, own: frozenset[str]
) -> Member | None:
    """The member there is, if the caller may change one with that role. Raises: Forbidden."""
    member = await repository.find_member(scope.conn, scope.tenant_id, project.id, user_id)
    if member is not None:
        await require_changeable(scope, member.role, own)
    return member


async def require_givable(scope: Scope, role: str, own: frozenset[str]) -> None:
    """Refuse a role on a project that gives nothing there, or more than the caller's own.

    Raises: InvalidRequest, Forbidden.
    """
    held = await identity.project_permissions_of_role(scope, role)
    if not held:
        raise _not_for_projects(role)
    if not held <= own:
        raise Forbidden("You cannot give a role that may do more on this project than you.")


async def require_changeable(scope: Scope, role: str, own: frozenset[str]) -> None:
    """Raises: Forbidden: who has the role on a project may do more there than the caller."""
    if not await identity.project_permissions_of_role(scope, role) <= own:
        raise Forbidden("You cannot change a member who may do more here than you.")


async def _views(scope: Scope, members: Sequence[Member]) -> list[MemberView]:
    people = await identity.find_users(scope, [member.user_id for member in members])
    views = []
    for member in members:
        user = people[member.user_id]
        held = await identity.project_permissions_of_role(scope, member.role)
        views.append(
            MemberView(
                user_id=user.id,
                email=user.email,
                username=user.username,
                role=member.role,
                permissions=sorted(held),
                added_by=member.added_by,
                created_at=member.created_at,
            )
        )
    return views


def _not_for_projects(role: str) -> InvalidRequest:
    return invalid_field(
        "role",
        "permits nothing on a project",
        f"The role {role!r} permits nothing on a project. Use manager, developer, viewer, or a "
        "role of your own that holds permissions of projects or tasks.",
    )
