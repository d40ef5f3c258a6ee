"""Rows of SAML."""

from datetime import datetime
from uuid import UUID

import msgspec


class SpKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key pair of a tenant as a service provider: it signs our messages and opens theirs.

    Not activated: the next one, shown in the metadata in advance. With `retires_at`: replaced,
    and until then good for opening what was encrypted for it.
    """

    tenant_id: UUID
    id: UUID
    private_key_sealed: bytes
    certificate: bytes
    created_at: datetime
    activated_at: datetime | None
    retires_at: datetime | None

    @property
    def status(self) -> str:
        if self.activated_at is None:
            return "next"
        return "current" if self.retires_at is None else "previous"


# What a request is for; a further way in is linked by a sign-in of its own kind.
LOGIN, LOGOUT, STEP_UP = "login", "logout", "step_up"


class SamlRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One of our requests under way: a sign-in, a fresh proof of who is signed in, or a logout.

    `browser_hash` is of the cookie of the browser that set off; None for a program. `ticket` is
    the form, sealed, that waits for a fresh proof.
    """

    tenant_id: UUID
    id: UUID
    provider_id: UUID
    purpose: str
    request_id: str
    handle_hash: bytes
    browser_hash: bytes | None
    next_path: str
    link_user_id: UUID | None
    link_session_id: UUID | None
    created_at: datetime
    expires_at: datetime
    consumed_at: datetime | None
    ticket: str | None = None

    @property
    def links(self) -> bool:
        """Whether it is for a further way in."""
        return self.purpose == LOGIN and self.link_user_id is not None


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How reading a provider's metadata again went. `error` is why it did not at `tried_at`,
    `failures` times in a row; it is due again at `due_at`."""

    tenant_id: UUID
    provider_id: UUID
    due_at: datetime
    tried_at: datetime | None
    read_at: datetime | None
    failures: int
    error: str | None


class SamlSession(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider calls a person and its own session. Sessions here bear the same
    `remote_session`, which is made of both, so that no index names another person's."""

    tenant_id: UUID
    provider_id: UUID
    remote_session: str
    name_id: str
    name_format: str | None
    name_qualifier: str | None
    sp_name_qualifier: str | None
    session_index: str | None
    created_at: datetime
