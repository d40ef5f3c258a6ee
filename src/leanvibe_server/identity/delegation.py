"""Acting for an organisation below one's own: an administrator of one above it steps in.

It is asked anew with every request whether they still are, and whether it still is below. Both
logs say so, once a session and day, and before each change.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from leanvibe_server.identity.events import OrganizationEntered
from leanvibe_server.identity.permissions import RANKS, covers, permissions_of
from leanvibe_server.identity.policy import SecurityPolicy, check_address, policy_from
from leanvibe_server.identity.refusals import wrong_tenant
from leanvibe_server.identity.repository import gate as rows
from leanvibe_server.identity.repository.gate import Standing
from leanvibe_server.identity.sessions import limits_of
from leanvibe_server.kernel.access import READS, ROLE_PERMISSIONS, Admission, Permission, Role
from leanvibe_server.kernel.errors import Forbidden
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import Reason, across_tenants
from leanvibe_server.kernel.request import Credentials
from leanvibe_server.kernel.scope import Actor, Scope
from leanvibe_server.tenancy.service import enter_tenant

# An administrator's rights and no owner's; and nobody there has an account that was theirs.
AT_MOST = ROLE_PERMISSIONS[Role.ADMIN] - {Permission.SELF}
READING = frozenset({"GET", "HEAD", "OPTIONS"})
REMEMBERED = 50_000


def _role_below(standing: Standing) -> str | None:
    """The role somebody stands for below: the highest whose rights they hold at home as a person.

    Whoever runs organisations by a role their own made for it is no administrator there, and what
    they may give or change is judged by this. None: they hold less than any role.
    """
    held = permissions_of(standing.role, None, standing.role_permissions, standing.further_roles)
    return next((role.value for role in RANKS[1:] if covers(held, ROLE_PERMISSIONS[role])), None)


class Delegation:
    """Lets administrators into the organisations below their own."""

    def __init__(self) -> None:
        self._noted: set[tuple[UUID, UUID, int]] = set()

    async def enter(
        self,
        house: House,
        credentials: Credentials,
        standing: Standing,
        *,
        home: UUID,
        named: UUID,
        actor: Actor,
    ) -> Admission:
        """Open the named tenant with at most the rights the caller has in their own.

        Raises: Forbidden: they run no organisation above it. An unknown one answers alike.
        """
        held = permissions_of(
            standing.role, standing.scopes, standing.role_permissions, standing.further_roles
        )
        if Permission.ORGANIZATION_MANAGE not in held:
            raise wrong_tenant()
        allowed = held & AT_MOST
        acting = replace(
            actor,
            label=f"{actor.label} (of {standing.tenant_slug})",
            role=_role_below(standing),
            further_roles=(),
            session_id=None,
        )
        transaction = await house.database.begin_tenant(named)
        try:
            below = await rows.find_below(transaction.conn, named, home)
            if below is None or credentials.named_slug not in (None, below.slug):
                raise wrong_tenant()
            policy = policy_from(below.security)
            check_address(policy, credentials.visit.address)
            _check_session(policy, standing, house.clock.now())
            if not credentials.again:
                await self._note(house, credentials, standing, home, named, acting)
        except BaseException:
            await transaction.rollback()
            raise
        return Admission(
            actor=acting,
            tenant_id=named,
            permissions=allowed & READS if standing.tenant_status != "active" else allowed,
            plan=below.plan,
            suspended=below.status != "active",
            transaction=transaction,
            authenticated_at=standing.authenticated_at,
            home_tenant_id=home,
        )

    async def _note(
        self,
        house: House,
        credentials: Credentials,
        standing: Standing,
        home: UUID,
        named: UUID,
        acting: Actor,
    ) -> None:
        """Write to both logs, committed before anything is shown or changed."""
        visit, today = credentials.visit, house.clock.now().date()
        reading = visit.method in READING
        key = (standing.credential_id, named, today.toordinal())
        if reading and key in self._noted:
            return
        async with across_tenants(house.database, Reason.ORGANIZATIONS, named) as conn:
            first = await rows.note_visit(
                conn, named, credential_id=standing.credential_id, day=today, home=home
            )
            if first or not reading:
                event = OrganizationEntered(
                    user_id=standing.user_id,
                    from_tenant_id=home,
                    into_tenant_id=named,
                    method=visit.method,
                    path=visit.path,
                )
                inside = Scope(conn, named, acting, house.clock, house, request_id=visit.request_id)
                await inside.emit(event)
                await (await enter_tenant(inside, home)).emit(event)
        if len(self._noted) >= REMEMBERED:
            self._noted.clear()
        self._noted.add(key)


def _check_session(policy: SecurityPolicy, standing: Standing, now: datetime) -> None:
    """What an organisation asks of its own people's sessions holds for who acts for it too, its
    owners' password included: they have an organisation of their own to be owners of. A key
    passes, as one of its own does.

    Raises: Forbidden: this session was opened without a second factor, or around an identity
        provider, where it asks for that; or it is older, or rested longer, than allowed there.
    """
    if standing.amr is None:
        return
    if policy.mfa_required and "mfa" not in standing.amr:
        raise _kept_out(
            "second_factor_needed",
            "This organisation asks for a second factor. Set one up in your own organisation, "
            "sign in with it, and try again.",
        )
    # That of the session itself: one that was moved here says of its beginnings elsewhere only
    # that there was some provider.
    if policy.sso_required and standing.provider_id is None:
        raise _kept_out(
            "sso_required",
            "This organisation lets people in through an identity provider only. Sign in to your "
            "own through its provider, and try again.",
        )
    if not _is_young_enough(policy, standing, now):
        raise _kept_out(
            "session_too_old",
            "This organisation asks for shorter sessions than yours. Sign in anew, and try again.",
        )


def _is_young_enough(policy: SecurityPolicy, standing: Standing, now: datetime) -> bool:
    limits = limits_of(standing.kind, policy)
    born, seen = standing.created_at, standing.seen_at
    return (
        born is not None
        and seen is not None
        and now < born + limits.absolute
        and now < seen + limits.idle
    )


def _kept_out(reason: str, message: str) -> Forbidden:
    return Forbidden(message, details={"reason": reason})
