"""From a provider's word to a user of the tenant: found, linked or made.

A provider speaks for its own subjects only. An e-mail address links a subject to a user who is
here already only when the tenant has proved the address's domain to be its own; otherwise the
user signs in first and links the provider.

Source: OWASP ASVS 5.0, 10.5; A. Sudhodanan and A. Paverd, "Pre-hijacked accounts", USENIX
Security 2022.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from leanvibe_server.entitlements.service import require_feature, require_room
from leanvibe_server.identity import addresses, notices, users
from leanvibe_server.identity.arrival import arrive
from leanvibe_server.identity.domains.service import owns_domain_of
from leanvibe_server.identity.events import LoginFailed
from leanvibe_server.identity.federation import repository as rows
from leanvibe_server.identity.federation.events import IdentityLinked
from leanvibe_server.identity.federation.mapping import living_role, mapped_role, opens
from leanvibe_server.identity.federation.models import (
    ANYONE,
    VERIFIED_DOMAINS,
    FederatedIdentity,
    Newcomers,
    SsoProvider,
)
from leanvibe_server.identity.groups.giving import change_own_role
from leanvibe_server.identity.login import SignedIn
from leanvibe_server.identity.models import Proof, User
from leanvibe_server.identity.permissions import GUEST_FOR
from leanvibe_server.identity.repository import people
from leanvibe_server.identity.visits import require_writable
from leanvibe_server.kernel.access import Role
from leanvibe_server.kernel.errors import AppError, Forbidden, InvalidRequest, MfaRequired
from leanvibe_server.kernel.scope import Scope

MAX_SUBJECT = 255


@dataclass(frozen=True, kw_only=True)
class Assertion:
    """What a provider says of a person, after its protocol has checked every word of it.

    `attributes` are further values by name, for the role mapping. `email_verified` is the
    provider's claim that it checked the address. `remote_session` is the provider's name for its
    session, `not_after` the end it sets, `amr` the methods of RFC 8176 beside `fed`, and
    `newcomers` who may get an account by it. `authenticated_at` is when the person last proved
    themselves to the provider, where it says so.
    """

    provider: SsoProvider
    subject: str
    email: str | None
    email_verified: bool
    name: str | None = None
    groups: Sequence[str] = ()
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    remote_session: str | None = None
    not_after: datetime | None = None
    amr: Sequence[str] = ()
    newcomers: Newcomers = ANYONE
    authenticated_at: datetime | None = None


async def sign_in(
    scope: Scope, assertion: Assertion, *, kind: str, next_path: str = "/"
) -> SignedIn:
    """Open a session of `kind` for the person a provider vouches for.

    The scope is one of the tenant, in which nobody acts yet. `next_path` is where a browser goes
    on, also by way of a second factor.
    Raises: as `require_user`, and what the tenant's policy refuses.
    """
    user = await require_user(scope, assertion)
    proof = Proof(
        method=assertion.provider.protocol,
        amr=("fed", *assertion.amr),
        provider_id=assertion.provider.id,
        remote_session=assertion.remote_session,
        not_after=assertion.not_after,
        proved_at=assertion.authenticated_at,
    )
    actor = replace(scope.actor, kind="user", id=user.id, label=user.email, role=user.role)
    try:
        return SignedIn(user, await arrive(replace(scope, actor=actor), user, proof, kind=kind))
    except MfaRequired as more:
        more.next_path = next_path
        raise


async def require_user(scope: Scope, assertion: Assertion) -> User:
    """The user of the tenant the assertion speaks of, whose row is held until the transaction
    ends; with their role of today, where the provider maps roles.

    Raises: InvalidRequest: the provider is off, or leaves out what is needed. Forbidden: the
        account is closed, or must be linked by its owner first, or the plan holds no such
        sign-in. QuotaExceeded: there is no room for a new user.
    """
    provider = await require_enabled(scope, assertion.provider)
    if not 0 < len(assertion.subject) <= MAX_SUBJECT:
        raise InvalidRequest("The identity provider did not say who you are.")
    await rows.lock_subject(scope.conn, provider.id, assertion.subject)
    known = await rows.find_by_subject(scope.conn, scope.tenant_id, provider.id, assertion.subject)
    if known is None:
        user = await _meet(scope, provider, assertion)
    else:
        user = await _recognise(scope, known, assertion)
    return await _take_role(scope, provider, user, assertion)


async def require_enabled(scope: Scope, provider: SsoProvider) -> SsoProvider:
    """The provider as it is now, held so that nobody turns it off meanwhile.

    Raises: InvalidRequest: it was disabled or deleted. Forbidden: the plan holds no such sign-in.
    """
    current = await rows.hold(scope.conn, scope.tenant_id, provider.id)
    if current is None or not current.enabled:
        raise InvalidRequest(
            "This way to sign in has been turned off. Ask your administrator.",
            details={"reason": "provider_disabled"},
        )
    require_feature(scope.plan, current.protocol)
    return current


async def link_to(scope: Scope, user: User, assertion: Assertion, *, how: str) -> FederatedIdentity:
    """Note that the provider's subject is this user."""
    identity = FederatedIdentity(
        tenant_id=scope.tenant_id,
        id=scope.new_id(),
        provider_id=assertion.provider.id,
        subject=assertion.subject,
        user_id=user.id,
        email=assertion.email,
        created_at=scope.now,
        last_login_at=scope.now,
    )
    await rows.insert_identity(scope.conn, identity)
    await scope.emit(
        IdentityLinked(
            user_id=user.id, provider_id=identity.provider_id, identity_id=identity.id, how=how
        )
    )
    if how != "created":
        await notices.identity_linked(scope, user, provider=assertion.provider.name)
    return identity


async def _recognise(scope: Scope, known: FederatedIdentity, assertion: Assertion) -> User:
    user = await people.lock_user(scope.conn, scope.tenant_id, known.user_id)
    if user is None:
        raise await _closed(scope, None)
    user = await _open_account(scope, user, verified=False)
    await rows.see_identity(
        scope.conn, scope.tenant_id, known.id, email=assertion.email, now=scope.now
    )
    return user


async def _meet(scope: Scope, provider: SsoProvider, assertion: Assertion) -> User:
    """Somebody who has not come by this provider before."""
    if assertion.email is None:
        raise InvalidRequest(
            "The identity provider did not tell your e-mail address. "
            "Ask your administrator to release it.",
            details={"reason": "email_missing"},
        )
    email = addresses.require_address(assertion.email)
    vouched = _is_spelt_out(assertion.email, email) and assertion.email_verified
    vouched = vouched and await owns_domain_of(scope, email)
    present = await people.find_user_by_email(scope.conn, scope.tenant_id, email)
    if present is None:
        await _require_admitted(scope, assertion, vouched=vouched)
        await require_writable(scope)
        # Whoever else adds a person waits here, so a second look says for sure.
        await require_room(scope, "users", count=users.count_users)
        present = await people.find_user_by_email(scope.conn, scope.tenant_id, email)
    if present is None:
        return await _add(scope, provider, assertion, email=email, vouched=vouched)
    if not vouched or not opens(provider, present.roles):
        raise await _must_link(scope, present)
    user = await people.lock_user(scope.conn, scope.tenant_id, present.id)
    if user is None:
        raise await _closed(scope, present)
    await _require_same_person(scope, provider, user)
    user = await _open_account(scope, user, verified=True)
    await link_to(scope, user, assertion, how="domain")
    return user


async def _require_same_person(scope: Scope, provider: SsoProvider, user: User) -> None:
    """Refuse a second subject with the address of somebody whom the provider calls by another
    name: addresses are given to others when people leave. A name from before the provider was
    last changed does not count, as a change may give everybody another.

    Raises: Forbidden. Source: OpenID Connect Core 1.0, section 5.7.
    """
    for known in await rows.list_identities(scope.conn, scope.tenant_id, user.id):
        seen_at = known.last_login_at
        if known.provider_id != provider.id or seen_at is None or seen_at < provider.updated_at:
            continue
        await scope.emit(LoginFailed(user_id=user.id, reason="another subject with the address"))
        raise Forbidden(
            "The account with your e-mail address here belongs to somebody whom the identity "
            "provider knows by another name. If it is yours, ask your administrator to remove the "
            "link to that name; if you are new, to change the address of the account before.",
            details={"reason": "another_subject"},
        ).keeping_writes()


async def _require_admitted(scope: Scope, assertion: Assertion, *, vouched: bool) -> None:
    """Raises: Forbidden: the provider is not one whose word alone makes an account."""
    wanted = assertion.newcomers
    if wanted == ANYONE or (wanted == VERIFIED_DOMAINS and vouched):
        return
    await scope.emit(LoginFailed(user_id=None, reason="the provider may add no such newcomer"))
    raise Forbidden(
        "You have no account here yet, and this way to sign in makes none for your address. Ask "
        "your administrator to invite you, or to verify the domain of your address.",
        details={"reason": "newcomer_not_admitted"},
    ).keeping_writes()


def _is_spelt_out(given: str, email: str) -> bool:
    """Whether the provider wrote the address as it is kept, save for the case of plain letters.

    Characters that only look like another's address, such as the Kelvin sign for a K, become that
    address when it is normalised, and may open no account.
    """
    return given == email or given.isascii()


async def _add(
    scope: Scope, provider: SsoProvider, assertion: Assertion, *, email: str, vouched: bool
) -> User:
    """A user made just in time. The account is their own: it joins none of another tenant, which
    this tenant's provider may not speak for."""
    mapped = await mapped_role(scope, provider, assertion.groups, assertion.attributes)
    role = mapped or await living_role(scope, provider.default_role)
    invited = await users.insert_user(
        scope,
        email=email,
        username=_username(assertion.name),
        password_hash=None,
        role=role,
        verified=False,
        expires_at=_end_of_access(scope, role, None),
    )
    user = await _open_account(scope, invited, verified=vouched)
    await link_to(scope, user, assertion, how="created")
    return await people.lock_user(scope.conn, scope.tenant_id, user.id) or user


async def _open_account(scope: Scope, user: User, *, verified: bool) -> User:
    """The user, who is no longer merely invited. Raises: Forbidden: the account is closed."""
    if user.status == "invited":
        activated = await rows.activate(
            scope.conn, scope.tenant_id, user.id, verified=verified, now=scope.now
        )
        await people.withdraw_invitations(scope.conn, scope.tenant_id, user.id)
        user = activated or user
    if not user.may_sign_in(scope.now):
        raise await _closed(scope, user)
    return user


async def _take_role(scope: Scope, provider: SsoProvider, user: User, assertion: Assertion) -> User:
    """The role of today. An owner stays one: who rules the tenant is no provider's business."""
    role = await mapped_role(scope, provider, assertion.groups, assertion.attributes)
    if role is None or role == user.own or user.role == Role.OWNER:
        return user
    end = _end_of_access(scope, role, user)
    return await change_own_role(scope, user, role, expires_at=end)


def _end_of_access(scope: Scope, role: str, user: User | None) -> datetime | None:
    """A guest's access ends; it goes on when the guest becomes somebody."""
    if role == Role.GUEST:
        return scope.now + GUEST_FOR
    return None if user is None or user.own == Role.GUEST else user.expires_at


def _username(name: str | None) -> str | None:
    plain = " ".join("".join(c if c.isprintable() else " " for c in name or "").split())
    return plain[:64] or None


async def _closed(scope: Scope, user: User | None) -> AppError:
    await scope.emit(
        LoginFailed(user_id=None if user is None else user.id, reason="the account is closed")
    )
    return Forbidden(
        "Your account here is disabled or has ended. Ask your administrator.",
        details={"reason": "account_closed"},
    ).keeping_writes()


async def _must_link(scope: Scope, user: User) -> AppError:
    await scope.emit(LoginFailed(user_id=user.id, reason="the provider is not linked"))
    return Forbidden(
        "There is an account with your e-mail address here that this provider may not open by "
        "itself. Sign in as you did before and link the provider under your account, or ask your "
        "administrator to verify the domain of your address.",
        details={"reason": "linking_required"},
    ).keeping_writes()
