"""Renewing a session: each refresh token is good once, and a copy of it gives itself away.

Source: RFC 9700, section 4.14.2.
"""

import hmac
from datetime import timedelta

from leanvibe_server.identity import opaque
from leanvibe_server.identity.events import RefreshReused, SessionEnded
from leanvibe_server.identity.login import SignedIn, answer
from leanvibe_server.identity.models import RefreshToken, Session, User
from leanvibe_server.identity.policy import SecurityPolicy, check_address, policy_of
from leanvibe_server.identity.refusals import invalid_token, wrong_tenant
from leanvibe_server.identity.repository import people
from leanvibe_server.identity.repository import sessions as rows
from leanvibe_server.identity.schemas import RefreshRequest, TokenAnswer
from leanvibe_server.identity.sessions import (
    OpenedSession,
    add_refresh_token,
    client_hash,
    refresh_text,
    still_holds,
)
from leanvibe_server.identity.visits import actor_of, scope_in
from leanvibe_server.kernel.crypto import Vault, hash_token
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import Unauthorized
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope

RETRY_WINDOW = timedelta(seconds=10)


async def refresh(visit: Visit, request: RefreshRequest | None) -> TokenAnswer:
    """Trade a refresh token for its successor and a fresh access token.

    The same client may repeat the trade for ten seconds and gets the same successor, as an
    answer may be lost on the way. Anything else that comes twice is taken for theft: the whole
    session ends.

    Raises: Unauthorized. Forbidden: X-Tenant-ID names another tenant than that of the token.
    """
    try:
        return await _trade(visit, _token_of(visit, request))
    except Unauthorized:
        visit.limit_by_address()
        raise


def _token_of(visit: Visit, request: RefreshRequest | None) -> str:
    token = request.refresh_token if request is not None else visit.credentials(cookie=False).bearer
    if token is None or not token.startswith("lr_"):
        raise invalid_token()
    return token[3:]


async def _trade(visit: Visit, secret: str) -> TokenAnswer:
    house = visit.house
    tenant_id = opaque.tenant_of_token(secret)
    if tenant_id is None:
        raise invalid_token()
    if visit.headers.get("x-tenant-id", str(tenant_id)).lower() != str(tenant_id):
        raise wrong_tenant()
    async with house.database.tenant(tenant_id) as conn:
        scope = scope_in(visit, conn, tenant_id)
        token = await rows.lock_refresh_token(conn, tenant_id, hash_token(secret))
        if token is None:
            raise invalid_token()
        user, session, policy = await _require_open(scope, token)
        successor = successor_of(house.vault, secret)
        inside = scope_in(visit, conn, tenant_id, actor=actor_of(visit, user))
        if token.used_at is not None and not await _is_retry(inside, conn, token, successor):
            raise await _end_family(inside, user, session)
        # Only now: a copy that comes back gives itself away wherever it comes from.
        check_address(policy, visit.address)
        if token.used_at is None:
            await rows.use_refresh_token(
                conn,
                tenant_id,
                token.id,
                client_hash=client_hash(inside.actor),
                now=inside.now,
            )
            await add_refresh_token(inside, session.id, successor)
        await rows.see_session(conn, tenant_id, session.id, now=inside.now)
        return answer(house, SignedIn(user, OpenedSession(session, refresh_text(successor))))


def successor_of(vault: Vault, secret: str) -> str:
    """The token that follows: the same each time, and nobody but this house can tell it."""
    tenant_part = secret[: opaque.TENANT_LENGTH]
    digest = hmac.digest(vault.derive("refresh successor"), secret.encode(), "sha256")
    return tenant_part + opaque.encode_bytes(digest)


async def _require_open(scope: Scope, token: RefreshToken) -> tuple[User, Session, SecurityPolicy]:
    session = await rows.find_session(scope.conn, scope.tenant_id, token.session_id)
    policy = await policy_of(scope)
    if session is None:
        raise invalid_token()
    user = await people.find_user(scope.conn, scope.tenant_id, session.user_id)
    if user is None or not user.may_sign_in(scope.now):
        raise invalid_token()
    if not still_holds(session, policy, scope.now, role=user.role):
        raise invalid_token()
    return user, session, policy


async def _is_retry(scope: Scope, conn: Connection, token: RefreshToken, successor: str) -> bool:
    """Whether a used token comes again from the client that used it, whose answer was lost."""
    if token.used_at is None or scope.now - token.used_at > RETRY_WINDOW:
        return False
    if not hmac.compare_digest(token.client_hash, client_hash(scope.actor)):
        return False
    following = await rows.lock_refresh_token(conn, scope.tenant_id, hash_token(successor))
    return following is not None and following.used_at is None


async def _end_family(scope: Scope, user: User, session: Session) -> Unauthorized:
    reason = "a refresh token came twice"
    await rows.end_session(scope.conn, scope.tenant_id, session.id, reason=reason, now=scope.now)
    await scope.emit(RefreshReused(user_id=user.id, session_id=session.id))
    await scope.emit(SessionEnded(user_id=user.id, session_id=session.id, reason=reason))
    refusal = invalid_token()
    refusal.keeping_writes()
    return refusal
