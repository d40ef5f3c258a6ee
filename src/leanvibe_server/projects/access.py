"""Who may do what on which project.

A role in the tenant counts on every project that is open to the organisation, a role on a project
there. Restricted projects are known to their members, and to those who may see all.
"""

from uuid import UUID

from leanvibe_server.kernel.access import PROJECT_PERMISSIONS, Permission, lacking
from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.projects import repository
from leanvibe_server.projects.models import Project
from leanvibe_server.projects.schemas import Sight

ORGANIZATION, MEMBERS = "organization", "members"
EVERYTHING = Sight(shown=None, hidden=[])


async def require_project(
    scope: Scope, project_id: UUID, *, wanted: Permission | None = None
) -> Project:
    """The project, if the caller may do there what they came in for, or `wanted`.

    Raises: NotFound: there is none by this id that the caller may know of. Forbidden: their role
        on it does not do.
    """
    project = await repository.find(scope.conn, scope.tenant_id, project_id)
    if project is None:
        raise NotFound("No such project.")
    await require_entry(scope, project, wanted=wanted)
    return project


async def require_entry(
    scope: Scope, project: Project, *, wanted: Permission | None = None
) -> None:
    """Raises: as `require_project`."""
    held = await permissions_on(scope, project)
    if not held:
        raise NotFound("No such project.")
    needed = wanted or _wanted(scope)
    if needed is not None and needed not in held:
        raise lacking(needed, scope.actor)


async def require_part(scope: Scope, project_id: UUID, *, missing: str) -> None:
    """Refuse who may not know of something that belongs to a project, as if it were not there.

    Raises: NotFound: saying `missing`. Forbidden.
    """
    needed = _wanted(scope)
    if _is_the_house(scope) or (
        Permission.PROJECT_READ_ALL in scope.permissions
        and (needed is None or needed in scope.permissions)
    ):
        return
    try:
        await require_project(scope, project_id)
    except NotFound:
        raise NotFound(missing) from None


async def permissions_on(scope: Scope, project: Project) -> frozenset[str]:
    """What the caller may do on one project; nothing where it is not theirs to know."""
    if _is_the_house(scope):
        return PROJECT_PERMISSIONS
    in_tenant = scope.permissions & PROJECT_PERMISSIONS
    there: frozenset[str] = frozenset()
    if scope.project_roles:
        roles = await repository.list_roles_on(
            scope.conn, scope.tenant_id, project.id, scope.actor.id
        )
        there = there.union(*(scope.project_roles.get(role, there) for role in roles))
    if project.visibility == MEMBERS and Permission.PROJECT_READ_ALL not in scope.permissions:
        return there
    return in_tenant | there


async def sight_of(scope: Scope, needed: Permission) -> Sight:
    """Of which projects a list shows things to the caller: of those where they hold `needed`."""
    if _is_the_house(scope):
        return EVERYTHING
    roles = [role for role, held in scope.project_roles.items() if needed in held]
    conn, tenant_id, user_id = scope.conn, scope.tenant_id, scope.actor.id
    if needed not in scope.permissions:
        shown = await repository.list_shown(conn, tenant_id, user_id, roles)
        return Sight(shown=shown, hidden=[])
    if Permission.PROJECT_READ_ALL in scope.permissions:
        return EVERYTHING
    return Sight(shown=None, hidden=await repository.list_hidden(conn, tenant_id, user_id, roles))


def _wanted(scope: Scope) -> str | None:
    return scope.wanted if scope.wanted in PROJECT_PERMISSIONS else None


def _is_the_house(scope: Scope) -> bool:
    return scope.actor.kind == "system"
