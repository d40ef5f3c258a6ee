"""The secrets of a sign-in under way: state, nonce, code verifier, and the browser's cookie.

The state is random and names its tenant. Nonce and verifier are derived from it with a key that
never leaves the house, so that nothing has to be kept but the state's hash.

Source: RFC 9700, sections 2.1.1 and 4.7; RFC 7636.
"""

import base64
import hashlib
import secrets
from datetime import timedelta
from uuid import UUID

from leanvibe_server.identity import opaque
from leanvibe_server.identity.federation.protocols import Wish
from leanvibe_server.identity.oidc.models import Flow
from leanvibe_server.kernel.crypto import hash_token
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.scope import Scope

VALID_FOR = timedelta(minutes=10)
COOKIE_PREFIX = "lv_sso_"


def new_state(tenant_id: UUID) -> str:
    return opaque.new_token(tenant_id)


def nonce_of(house: House, state: str) -> str:
    return _text(house.vault.keyed_hash("oidc nonce", state))


def verifier_of(house: House, state: str) -> str:
    return _text(house.vault.keyed_hash("oidc code verifier", state))


def challenge_of(verifier: str) -> str:
    """The S256 challenge. Plain is never sent: whoever sees it could use the code."""
    return _text(hashlib.sha256(verifier.encode()).digest())


def cookie_name(state: str) -> str:
    """Each sign-in has a cookie of its own, so that two tabs do not take it from each other."""
    return COOKIE_PREFIX + hash_token(f"cookie {state}").hex()[:12]


def new_cookie() -> str:
    return secrets.token_urlsafe(32)


def new_flow(
    scope: Scope,
    *,
    provider_id: UUID,
    state: str,
    cookie: str | None,
    redirect_uri: str,
    wish: Wish,
) -> Flow:
    """The row of a sign-in that begins."""
    return Flow(
        tenant_id=scope.tenant_id,
        id=scope.new_id(),
        provider_id=provider_id,
        state_hash=hash_token(state),
        browser_hash=None if cookie is None else hash_token(cookie),
        redirect_uri=redirect_uri,
        next_path=wish.next_path,
        link_user_id=wish.link_user_id,
        link_session_id=wish.link_session_id,
        created_at=scope.now,
        expires_at=scope.now + VALID_FOR,
        purpose=wish.purpose,
        ticket=wish.ticket,
    )


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
