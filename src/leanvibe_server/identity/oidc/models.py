"""Rows of sign-ins by OpenID Connect that are under way."""

from datetime import datetime
from uuid import UUID

import msgspec

from leanvibe_server.identity.federation.protocols import Purpose


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in between the redirect and the callback.

    `browser_hash` is there for browsers, whose cookie must come back with the state; a program
    finishes with code and state itself. `link_user_id` in `link_session_id` is the signed-in user
    who adds a way in or proves themselves anew; `ticket` is the form that waits for the proof.
    """

    tenant_id: UUID
    id: UUID
    provider_id: UUID
    state_hash: bytes
    browser_hash: bytes | None
    redirect_uri: str
    next_path: str
    link_user_id: UUID | None
    link_session_id: UUID | None
    created_at: datetime
    expires_at: datetime
    purpose: Purpose
    ticket: str | None


class ClientKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key pair by which a provider knows us; the next one until it is activated."""

    tenant_id: UUID
    id: UUID
    provider_id: UUID
    private_key_sealed: bytes
    certificate: bytes
    created_at: datetime
    activated_at: datetime | None

    @property
    def status(self) -> str:
        return "next" if self.activated_at is None else "current"


class KeptToken(msgspec.Struct, frozen=True, kw_only=True):
    """An ID token for the sign-out at its provider. `remote_session` is empty where the provider
    does not name its sessions."""

    tenant_id: UUID
    id: UUID
    user_id: UUID
    provider_id: UUID
    remote_session: str
    id_token_sealed: bytes
    created_at: datetime
