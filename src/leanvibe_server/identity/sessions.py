"""Sessions: opened by a sign-in, ended by logout, time, an administrator or too many others."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.identity import devices, notices, opaque
from leanvibe_server.identity.account.links import EMAIL, RESET
from leanvibe_server.identity.events import (
    NewDeviceSeen,
    SessionEnded,
    UserLoggedIn,
    UserLoggedOut,
)
from leanvibe_server.identity.models import MOVED, Proof, RefreshToken, Session, User
from leanvibe_server.identity.policy import DEFAULT, SecurityPolicy, policy_of
from leanvibe_server.identity.repository import sessions as rows
from leanvibe_server.identity.repository.account import withdraw_links
from leanvibe_server.identity.schemas import SessionList, SessionView, Success
from leanvibe_server.kernel.access import require_signed_in
from leanvibe_server.kernel.crypto import hash_token
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import Forbidden, NotFound
from leanvibe_server.kernel.events import printable
from leanvibe_server.kernel.scope import Actor, Scope

TOKEN, WEB = "token", "web"


@dataclass(frozen=True)
class Limits:
    """How long a session lasts unused, and at most."""

    idle: timedelta
    absolute: timedelta


# A program keeps its session as long as it comes back within a month; a browser is left alone
# on a desk sooner.
LIMITS = {
    TOKEN: Limits(idle=timedelta(days=30), absolute=timedelta(days=90)),
    WEB: Limits(idle=timedelta(hours=12), absolute=timedelta(days=7)),
}


@dataclass(frozen=True)
class OpenedSession:
    """A session with the secret its holder gets: a refresh token, or the dashboard's cookie."""

    session: Session
    secret: str


def limits_of(kind: str, policy: SecurityPolicy) -> Limits:
    """The shorter of the product's limits and the tenant's."""
    limits = LIMITS[kind]
    if policy.idle is None and policy.absolute is None:
        return limits
    return Limits(
        idle=min(limits.idle, policy.idle or limits.idle),
        absolute=min(limits.absolute, policy.absolute or limits.absolute),
    )


def is_live(
    kind: str,
    *,
    created_at: datetime,
    seen_at: datetime,
    expires_at: datetime,
    ended_at: datetime | None,
    amr: Sequence[str],
    now: datetime,
    role: str,
    provider_id: UUID | None,
    policy: SecurityPolicy = DEFAULT,
) -> bool:
    """Whether a session still holds: not ended, and neither of its times has run out.

    The tenant's policy is asked as it is now, so that a tighter one holds for sessions that
    began under a looser one: where it asks for a second factor, one that was opened without ends,
    and where it asks for a provider's word, one that no provider opened, but an owner's.
    """
    if policy.mfa_required and "mfa" not in amr:
        return False
    if provider_id is None and policy.wants_provider(role):
        return False
    limits = limits_of(kind, policy)
    end = min(expires_at, created_at + limits.absolute)
    return ended_at is None and now < end and now < seen_at + limits.idle


def still_holds(session: Session, policy: SecurityPolicy, now: datetime, *, role: str) -> bool:
    """`is_live` of a whole row, whose user has that role."""
    return is_live(
        session.kind,
        created_at=session.created_at,
        seen_at=session.last_seen_at,
        expires_at=session.expires_at,
        ended_at=session.ended_at,
        amr=session.amr,
        now=now,
        role=role,
        provider_id=session.provider_id,
        policy=policy,
    )


async def open_session(
    scope: Scope, user: User, proof: Proof, *, kind: str, policy: SecurityPolicy
) -> OpenedSession:
    """Begin a session of a user whose credentials were checked. Only `arrival.arrive` calls this.

    Beyond the limit of plan or policy the user's oldest session ends. The caller holds the
    user's row lock.
    """
    now = scope.now
    end = now + limits_of(kind, policy).absolute
    secret = opaque.new_token(scope.tenant_id)
    session = Session(
        tenant_id=scope.tenant_id,
        id=scope.new_id(),
        user_id=user.id,
        kind=kind,
        address=scope.actor.address,
        user_agent=printable(scope.actor.user_agent),
        created_at=now,
        last_seen_at=now,
        expires_at=end if proof.not_after is None else min(end, proof.not_after),
        ended_at=None,
        ended_reason=None,
        amr=list(proof.amr),
        authenticated_at=proof.proved_at or now,
        provider_id=proof.provider_id,
        remote_session=proof.remote_session,
    )
    limit, reason = _limit(scope, policy)
    mark = devices.mark_of(
        scope.house.vault, user.id, user_agent=session.user_agent, address=session.address
    )
    found = await rows.open_session(
        scope.conn,
        session,
        cookie_hash=hash_token(secret) if kind == WEB else None,
        token=_refresh_token(scope, session.id) if kind == TOKEN else None,
        token_hash=hash_token(secret) if kind == TOKEN else None,
        limit=limit,
        device_mark=mark,
    )
    if found.full:
        await _end_oldest(scope, user, policy, limit=limit, reason=reason, keep=session.id)
    await scope.emit(
        UserLoggedIn(user_id=user.id, email=user.email, session_id=session.id, method=proof.method)
    )
    if found.new_device and not _is_expected(scope, user, proof):
        await _tell_new_device(scope, user, session)
    return OpenedSession(session, refresh_text(secret) if kind == TOKEN else secret)


def _is_expected(scope: Scope, user: User, proof: Proof) -> bool:
    """Whether a sign-in from a device that was not seen is no news: the first one, one that goes
    on from another organisation, or from a device that shows it is known."""
    if user.last_login_at is None or proof.method == MOVED:
        return True
    known = devices.known_device(scope.house.vault, user.email, scope.actor.device, scope.now)
    return known is not None


async def _tell_new_device(scope: Scope, user: User, session: Session) -> None:
    device = devices.device_name(session.user_agent)
    await scope.emit(NewDeviceSeen(user_id=user.id, session_id=session.id, device=device))
    await notices.new_device(scope, user, device=device, address=session.address)


async def renew_session(scope: Scope, old: Session, proof: Proof) -> OpenedSession:
    """Go on in a session of the caller under a new id and secret, those of `old` being refused
    from now on. Its end stays where it was.

    Source: OWASP ASVS 5.0, 7.2.4.
    """
    now = scope.now
    secret = opaque.new_token(scope.tenant_id)
    session = msgspec.structs.replace(
        old,
        id=scope.new_id(),
        address=scope.actor.address,
        user_agent=printable(scope.actor.user_agent),
        last_seen_at=now,
        amr=list(dict.fromkeys([*old.amr, *proof.amr])),
        authenticated_at=now,
    )
    await rows.end_session(scope.conn, scope.tenant_id, old.id, reason="renewed", now=now)
    cookie_hash = hash_token(secret) if old.kind == WEB else None
    await rows.insert_session(scope.conn, session, cookie_hash=cookie_hash)
    if old.kind == TOKEN:
        await add_refresh_token(scope, session.id, secret)
    return OpenedSession(session, refresh_text(secret) if old.kind == TOKEN else secret)


def refresh_text(secret: str) -> str:
    """A refresh token as its holder gets it: the prefix lets scanners recognise it."""
    return f"lr_{secret}"


def client_hash(actor: Actor) -> bytes:
    """What tells one client from another when a refresh token comes twice."""
    return hash_token(f"{actor.address}\n{actor.user_agent}")


async def add_refresh_token(scope: Scope, session_id: UUID, secret: str) -> None:
    """Keep the hash of a session's next refresh token."""
    await rows.insert_refresh_token(
        scope.conn,
        scope.tenant_id,
        _refresh_token(scope, session_id),
        token_hash=hash_token(secret),
    )


def _refresh_token(scope: Scope, session_id: UUID) -> RefreshToken:
    return RefreshToken(
        id=scope.new_id(),
        session_id=session_id,
        client_hash=client_hash(scope.actor),
        created_at=scope.now,
        used_at=None,
    )


async def list_own(scope: Scope) -> list[Session]:
    """The live sessions of the caller, oldest first.

    Raises: Forbidden: a key has none, and where its person comes from is not its to know or end.
    """
    own_id, _ = require_signed_in(scope.actor)
    return await list_live(scope, own_id, role=str(scope.actor.role))


async def describe_own(scope: Scope) -> SessionList:
    """The live sessions of the caller, as the API prints them."""
    current = scope.actor.session_id
    return SessionList(
        data=[SessionView.of(session, current=current) for session in await list_own(scope)]
    )


async def end_own(scope: Scope, session_id: UUID) -> Success:
    """End one of the caller's sessions.

    Raises: NotFound: none of the caller's, or over already.
    """
    if session_id not in {session.id for session in await list_own(scope)}:
        raise NotFound("No such session.")
    await end_session(scope, session_id, reason="ended by the user")
    return Success(success=True)


async def log_out(scope: Scope) -> Success:
    """End the session these credentials belong to, with all its tokens.

    Raises: Forbidden: an API key has no session.
    """
    session_id = scope.actor.session_id
    if session_id is None or scope.actor.id is None:
        raise Forbidden("An API key has no session to end. Revoke the key instead.")
    await rows.end_session(scope.conn, scope.tenant_id, session_id, reason="logout", now=scope.now)
    await scope.emit(UserLoggedOut(user_id=scope.actor.id, session_id=session_id))
    return Success(success=True)


async def end_session(scope: Scope, session_id: UUID, reason: str) -> None:
    """End a session of the tenant: its tokens and its cookie are refused from now on."""
    session = await rows.find_session(scope.conn, scope.tenant_id, session_id)
    if session is None or not await rows.end_session(
        scope.conn, scope.tenant_id, session_id, reason=reason, now=scope.now
    ):
        return
    await scope.emit(SessionEnded(user_id=session.user_id, session_id=session_id, reason=reason))


async def end_all(scope: Scope, user_id: UUID, *, reason: str, keep: UUID | None = None) -> int:
    """End every session of a user but `keep`; returns how many held until now.

    With them go mailed links that one of those sessions may have asked for: who got into an
    account must not come back by a new address or password once its owner has thrown them out.
    """
    await withdraw_links(scope.conn, scope.tenant_id, user_id, (EMAIL, RESET))
    ended = await rows.end_sessions_of_user(
        scope.conn, scope.tenant_id, user_id, reason=reason, now=scope.now, keep=keep
    )
    for session_id in ended:
        await scope.emit(SessionEnded(user_id=user_id, session_id=session_id, reason=reason))
    return len(ended)


async def count_live(scope: Scope) -> int:
    """How many sessions of the tenant hold now."""
    now, policy = scope.now, await policy_of(scope)
    web, token = limits_of(WEB, policy), limits_of(TOKEN, policy)
    return await rows.count_live(
        scope.conn,
        scope.tenant_id,
        now=now,
        web=(now - web.idle, now - web.absolute),
        token=(now - token.idle, now - token.absolute),
    )


async def tally_live(
    conn: Connection, tenant_ids: Sequence[UUID], now: datetime
) -> dict[UUID, int]:
    """How many sessions of each of several tenants hold now. Needs the platform's login."""
    web, token = LIMITS[WEB], LIMITS[TOKEN]
    return await rows.tally_live(
        conn,
        tenant_ids,
        now=now,
        web=(web.idle, web.absolute),
        token=(token.idle, token.absolute),
    )


async def list_live(
    scope: Scope, user_id: UUID, policy: SecurityPolicy | None = None, *, role: str
) -> list[Session]:
    """The live sessions of a user of the tenant, who has that role, oldest first."""
    policy = policy or await policy_of(scope)
    kept = await rows.list_live(scope.conn, scope.tenant_id, user_id, now=scope.now)
    return [session for session in kept if still_holds(session, policy, scope.now, role=role)]


def _limit(scope: Scope, policy: SecurityPolicy) -> tuple[int, str]:
    """How many sessions a person may have at once, and why one more than that ends the oldest."""
    limit = plan_of(scope.plan).limits.max_concurrent_sessions
    if policy.max_sessions is not None and policy.max_sessions < limit:
        return policy.max_sessions, "more sessions than the organisation allows"
    return limit, "more sessions than the plan allows"


async def _end_oldest(
    scope: Scope, user: User, policy: SecurityPolicy, *, limit: int, reason: str, keep: UUID
) -> None:
    live = await list_live(scope, user.id, policy, role=user.role)
    others = [one for one in live if one.id != keep]
    for session in others[: max(0, len(others) + 1 - limit)]:
        await end_session(scope, session.id, reason=reason)
