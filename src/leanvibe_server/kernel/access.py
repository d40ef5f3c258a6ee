"""Who may do what: the roles, their permissions, and the one way into an endpoint."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, TypeVar
from uuid import UUID

from fastapi import Depends, Request

from leanvibe_server.kernel.db import Transaction
from leanvibe_server.kernel.errors import (
    AppError,
    Forbidden,
    RateLimited,
    StepUpRequired,
    TenantSuspended,
    Unauthorized,
)
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.idempotency import begin_idempotent
from leanvibe_server.kernel.platform import Reason
from leanvibe_server.kernel.request import Credentials, Visit, visit_of
from leanvibe_server.kernel.scope import Actor, Scope


class Role(StrEnum):
    """The six roles of a tenant, and the one of the platform."""

    OWNER = "owner"
    ADMIN = "admin"
    MANAGER = "manager"
    DEVELOPER = "developer"
    VIEWER = "viewer"
    GUEST = "guest"
    PLATFORM_ADMIN = "platform_admin"


class Permission(StrEnum):
    """One thing a caller may do. Names are public: they are the scopes of API keys."""

    SELF = "self"
    TENANT_READ = "tenant:read"
    TENANT_UPDATE = "tenant:update"
    TENANT_ADMIN = "tenant:administer_all"
    TENANT_DELETE = "tenant:delete"
    ORGANIZATION_MANAGE = "organization:manage"
    SECURITY_READ = "security:read"
    SECURITY_MANAGE = "security:manage"
    PRIVACY_MANAGE = "privacy:manage"
    USER_READ = "user:read"
    USER_CREATE = "user:create"
    USER_UPDATE = "user:update"
    USER_DELETE = "user:delete"
    ROLE_MANAGE = "role:manage"
    API_KEY_MANAGE = "api_key:manage"
    SCIM_MANAGE = "scim:manage"
    PROJECT_READ = "project:read"
    PROJECT_READ_ALL = "project:read_all"
    PROJECT_CREATE = "project:create"
    PROJECT_UPDATE = "project:update"
    PROJECT_DELETE = "project:delete"
    PROJECT_SHARE = "project:share"
    TASK_READ = "task:read"
    TASK_CREATE = "task:create"
    TASK_CONTROL = "task:control"
    USAGE_READ = "usage:read"
    AUDIT_READ = "audit:read"
    AUDIT_READ_ALL = "audit:read_all"


P = Permission
# The kinds of actors behind credentials that nobody holds in the hand.
KEYS = frozenset({"api_key", "oauth_client", "scim"})
# What goes on in a tenant that is suspended or is to be deleted: reading, and leaving for good.
READS = frozenset(
    {P.SELF, P.TENANT_READ, P.USER_READ, P.PROJECT_READ, P.PROJECT_READ_ALL, P.TASK_READ,
     P.USAGE_READ, P.AUDIT_READ, P.AUDIT_READ_ALL, P.TENANT_ADMIN, P.SECURITY_READ,
     P.TENANT_DELETE}
)  # fmt: skip
# Of these, a credential nobody holds in the hand looks only: there is nobody whose own it were.
_OF_PEOPLE = frozenset({P.SELF, P.TENANT_READ, P.TENANT_ADMIN, P.TENANT_DELETE})

_GUEST = frozenset({P.SELF, P.PROJECT_READ, P.TASK_READ})
_VIEWER = _GUEST | {P.TENANT_READ, P.USAGE_READ, P.USER_READ}
_DEVELOPER = _VIEWER | {
    P.PROJECT_CREATE, P.PROJECT_UPDATE, P.TASK_CREATE, P.TASK_CONTROL,
}  # fmt: skip
_MANAGER = _DEVELOPER | {P.PROJECT_DELETE, P.PROJECT_SHARE}
_ADMIN = _MANAGER | {
    P.TENANT_UPDATE, P.ORGANIZATION_MANAGE, P.SECURITY_READ, P.SECURITY_MANAGE, P.PRIVACY_MANAGE,
    P.USER_CREATE, P.USER_UPDATE, P.USER_DELETE, P.ROLE_MANAGE, P.API_KEY_MANAGE, P.SCIM_MANAGE,
    P.AUDIT_READ, P.PROJECT_READ_ALL,
}  # fmt: skip
_OWNER = _ADMIN | {P.TENANT_DELETE}

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: _OWNER,
    Role.ADMIN: _ADMIN,
    Role.MANAGER: _MANAGER,
    Role.DEVELOPER: _DEVELOPER,
    Role.VIEWER: _VIEWER,
    Role.GUEST: _GUEST,
    Role.PLATFORM_ADMIN: frozenset(
        {P.SELF, P.TENANT_READ, P.TENANT_ADMIN, P.USER_READ, P.USER_CREATE, P.USAGE_READ,
         P.AUDIT_READ, P.AUDIT_READ_ALL, P.API_KEY_MANAGE, P.ORGANIZATION_MANAGE}
    ),
}  # fmt: skip

# What somebody may hold on one project alone, by a role there.
_PROJECT_VIEWER = frozenset({P.PROJECT_READ, P.TASK_READ})
_PROJECT_DEVELOPER = _PROJECT_VIEWER | {P.PROJECT_UPDATE, P.TASK_CREATE, P.TASK_CONTROL}
PROJECT_ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.MANAGER: _PROJECT_DEVELOPER | {P.PROJECT_DELETE, P.PROJECT_SHARE},
    Role.DEVELOPER: _PROJECT_DEVELOPER,
    Role.VIEWER: _PROJECT_VIEWER,
}
PROJECT_PERMISSIONS = PROJECT_ROLE_PERMISSIONS[Role.MANAGER]


@dataclass(frozen=True)
class Admission:
    """What the gate found behind a credential: who it is, where, what they may, and the open
    transaction with that tenant bound.

    `authenticated_at` is when the person last proved who they are in this session; None for a
    key, which nobody holds in the hand. `may_end` is set for a platform admin in a tenant that
    cannot end itself what lets somebody in. `project_roles` are the roles they have on projects,
    each with its permissions there. `home_tenant_id` is set for somebody who acts for an
    organisation below their own.
    """

    actor: Actor
    tenant_id: UUID
    permissions: frozenset[str]
    plan: str
    suspended: bool
    transaction: Transaction
    authenticated_at: datetime | None = None
    project_roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    home_tenant_id: UUID | None = None
    may_end: bool = False


class Gate(Protocol):
    """Turns a credential into an Admission. Identity plugs in the one of the product."""

    async def admit(self, house: House, credentials: Credentials) -> Admission:
        """Raises: Unauthorized, Forbidden, RateLimited, QuotaExceeded."""
        ...


# What only administrators of the platform may do.
_PLATFORM = ROLE_PERMISSIONS[Role.PLATFORM_ADMIN] - _OWNER


def lacking(permission: Permission | str, actor: Actor) -> Forbidden:
    """The refusal of somebody whose role, or of a key whose scopes, do not hold what is needed."""
    if actor.kind in KEYS:
        lack = "these credentials do not have. Use a key with that scope, or sign in as a person."
    else:
        whom = "the platform" if permission in _PLATFORM else "your organisation"
        lack = f"the role {actor.role} does not have. Ask an administrator of {whom}."
    return Forbidden(
        f"This needs the permission {permission}, which {lack}",
        details={"required_permission": str(permission)},
    )


def only_people() -> Forbidden:
    """The refusal of a key where only somebody with a session can act."""
    return Forbidden("Only a person who signed in can do this; an API key cannot.")


def require_signed_in(actor: Actor) -> tuple[UUID, UUID]:
    """The ids of the caller's user and session. Raises: Forbidden: a key has no session."""
    if actor.id is None or actor.session_id is None:
        raise only_people()
    return actor.id, actor.session_id


def check_permission(
    admission: Admission,
    permission: Permission,
    *,
    on_project: bool = False,
    reading: bool = False,
    leaving: bool = False,
    ending: bool = False,
) -> None:
    """Refuse who lacks the permission. `on_project`: to hold it on some project is enough here,
    because the service looks again at which. `reading`: nothing is changed. `leaving` and `ending`
    are as in `may`.

    Raises: Forbidden: the role lacks it. TenantSuspended: a write of a suspended tenant.
    """
    if ending and admission.may_end:
        return
    held = permission in admission.permissions or (
        on_project
        and permission in PROJECT_PERMISSIONS
        and any(permission in there for there in admission.project_roles.values())
    )
    if not held:
        raise lacking(permission, admission.actor)
    if admission.suspended and not (reading or _goes_on(admission.actor, permission, leaving)):
        raise TenantSuspended(
            "The tenant is suspended or is to be deleted: reading and billing work, changes do "
            "not. Its owner takes a deletion back; an organisation above it or the platform's "
            "administrators end a suspension."
        )


def _goes_on(actor: Actor, permission: Permission, leaving: bool) -> bool:
    """What people still do in a suspended tenant: look, keep their own account in order, sign out,
    leave. A key looks."""
    if actor.kind in KEYS:
        return permission in READS - _OF_PEOPLE
    return leaving or permission in READS


# How long a proof of identity counts as fresh. Source: NIST SP 800-63B-4, section 5.2.
FRESH_FOR = timedelta(minutes=10)


def check_fresh(admission: Admission, permission: Permission, now: datetime) -> None:
    """Refuse a sensitive change in a session whose holder has not proved themselves lately.

    A key passes where its scopes say so by name, but never for what belongs to a person.
    Raises: StepUpRequired. Forbidden: a key cannot prove that a person is there.
    """
    _check_proof(admission.actor, admission.authenticated_at, permission, now)


def require_fresh(scope: Scope, permission: Permission) -> None:
    """As `check_fresh`, for a service that finds out only by what is asked of it that it is
    sensitive.

    Raises: as `check_fresh`.
    """
    _check_proof(scope.actor, scope.authenticated_at, permission, scope.now)


def _check_proof(
    actor: Actor, proved_at: datetime | None, permission: Permission, now: datetime
) -> None:
    if actor.kind in ("api_key", "oauth_client"):
        if permission == Permission.SELF:
            raise only_people()
        return
    if proved_at is None or now - proved_at > FRESH_FOR:
        raise StepUpRequired(
            "Confirm that it is you: POST /v1/auth/step-up with your password or a second "
            "factor, or POST /v1/auth/sso/{provider}/step-up, then try again.",
            details={"reason": "step_up_required", "max_age": int(FRESH_FOR.total_seconds())},
        )


def scope_of(
    house: House,
    admission: Admission,
    request_id: str | None,
    *,
    wanted: Permission | None = None,
) -> Scope:
    """The Scope of an admitted caller, who came in for `wanted`."""
    return Scope(
        conn=admission.transaction.conn,
        tenant_id=admission.tenant_id,
        actor=admission.actor,
        clock=house.clock,
        house=house,
        request_id=request_id,
        permissions=admission.permissions,
        plan=admission.plan,
        wanted=wanted,
        project_roles=admission.project_roles,
        home_tenant_id=admission.home_tenant_id,
        authenticated_at=admission.authenticated_at,
    )


# Requests that change nothing. What they show of a tenant is shown also while it is suspended.
READING = frozenset({"GET", "HEAD"})


def may(
    permission: Permission,
    *,
    cookie: bool = False,
    fresh: bool = False,
    on_project: bool = False,
    leaving: bool = False,
    ending: bool = False,
) -> Any:
    """The way into an endpoint: a Scope for callers who hold `permission`.

    `cookie` also lets the dashboard's session cookie in; such a page must check for forgery.
    `fresh` asks for a proof of identity of the last minutes, as a sensitive change does.
    `on_project` also lets those in who hold it on some project only: the service behind must ask
    the projects room, which looks at the one project, or leaves out what they may not see.
    `leaving` lets it pass also in a tenant that is suspended or is to be deleted, as what its
    people need who take their data along. `ending` is what only ends what lets somebody in: in
    such a tenant a platform admin who broke the glass does it, since its own people cannot.
    """

    async def enter(request: Request) -> Scope:
        return await _admit(
            request,
            permission,
            cookie=cookie,
            fresh=fresh,
            on_project=on_project,
            leaving=leaving,
            ending=ending,
        )

    refused = _refused(permission, fresh=fresh, leaving=leaving)
    return Depends(_remember(enter, permission.value, refused))


def _refused(
    permission: Permission, *, fresh: bool = False, leaving: bool = False
) -> tuple[type[AppError], ...]:
    """What a way in for callers with credentials may answer by itself."""
    refused: list[type[AppError]] = [Unauthorized, Forbidden, RateLimited]
    if fresh:
        refused.append(StepUpRequired)
    if permission not in READS and not leaving:
        refused.append(TenantSuspended)
    return tuple(refused)


async def _admit(
    request: Request,
    permission: Permission,
    *,
    cookie: bool,
    once: bool = True,
    fresh: bool = False,
    on_project: bool = False,
    leaving: bool = False,
    ending: bool = False,
) -> Scope:
    visit = visit_of(request.scope)
    gate: Gate = request.app.state.gate
    admission = await gate.admit(visit.house, visit.credentials(cookie=cookie))
    visit.transaction = admission.transaction
    check_permission(
        admission, permission, on_project=on_project, reading=request.method in READING,
        leaving=leaving, ending=ending,
    )  # fmt: skip
    if fresh:
        check_fresh(admission, permission, visit.house.clock.now())
    scope = scope_of(visit.house, admission, visit.request_id, wanted=permission)
    if visit.repeatable and once:
        await begin_idempotent(visit, scope, await request.body())
    return scope


@dataclass(frozen=True)
class Errand:
    """An admitted caller whose request leads outside: no transaction is open between its scopes."""

    caller: Scope

    @property
    def house(self) -> House:
        return self.caller.house

    @property
    def tenant_id(self) -> UUID:
        return self.caller.tenant_id

    @asynccontextmanager
    async def scope(self) -> AsyncIterator[Scope]:
        """A transaction of the caller's tenant that commits at the end of the block."""
        async with self.house.database.tenant(self.tenant_id) as conn:
            yield replace(self.caller, conn=conn)


def may_go_out(permission: Permission, *, fresh: bool = False, on_project: bool = False) -> Any:
    """The way into an endpoint that calls the outside: the gate's transaction is over before it.

    Such an endpoint does no harm when it is repeated, so no answer is kept for an Idempotency-Key.
    """

    async def enter(request: Request) -> Errand:
        scope = await _admit(
            request, permission, cookie=False, once=False, fresh=fresh, on_project=on_project
        )
        await visit_of(request.scope).close_transaction()
        return Errand(scope)

    return Depends(_remember(enter, permission.value, _refused(permission, fresh=fresh)))


def may_go_out_or_visit(permission: Permission, reason: Reason, *, fresh: bool = False) -> Any:
    """One path with two ways in: an Errand for callers who show credentials and hold
    `permission`, the Visit for those who show none. Neither has a transaction open."""

    async def enter(request: Request) -> Errand | Visit:
        visit = visit_of(request.scope)
        if "authorization" not in visit.headers:
            return await _welcome(request)
        scope = await _admit(request, permission, cookie=False, once=False, fresh=fresh)
        await visit.close_transaction()
        return Errand(scope)

    way_in = f"{permission.value}, or public: {reason.name}"
    return Depends(_remember(enter, way_in, _refused(permission, fresh=fresh)))


def visitor(reason: Reason) -> Any:
    """The way in for callers without credentials whose service opens its own transactions, such
    as a sign-in, which must hold none while a password is checked."""

    async def enter(request: Request) -> Visit:
        return await _welcome(request)

    return Depends(_remember(enter, f"public: {reason.name}", (RateLimited,)))


def may_or_visit(permission: Permission, reason: Reason) -> Any:
    """One path with two ways in: a Scope for callers who show credentials and hold `permission`,
    the Visit for those who show none."""

    async def enter(request: Request) -> Scope | Visit:
        if "authorization" in visit_of(request.scope).headers:
            return await _admit(request, permission, cookie=False)
        return await _welcome(request)

    way_in = f"{permission.value}, or public: {reason.name}"
    return Depends(_remember(enter, way_in, _refused(permission)))


async def _welcome(request: Request) -> Visit:
    visit = visit_of(request.scope)
    visit.limit_by_address()
    visit.body = await request.body()
    return visit


Entrance = TypeVar("Entrance", bound=Callable[[Request], Awaitable[Any]])


def _remember(enter: Entrance, way_in: str, refused: tuple[type[AppError], ...]) -> Entrance:
    """Write on the dependency how it lets callers in, for the test that no route forgot, and whom
    it does not, for the OpenAPI text."""
    enter.way_in = way_in  # type: ignore[attr-defined]  # read by the route catalogue test
    enter.refused = refused  # type: ignore[attr-defined]  # read by HouseRoute
    return enter
