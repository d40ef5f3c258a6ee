"""Who is signed in, and where."""

from __future__ import annotations

from datetime import datetime

from leanvibe._records import Record


class SignedInUser(Record):
    """The person a session belongs to."""

    id: str
    email: str
    username: str
    role: str
    tenant_id: str


class Login(Record):
    """A session that was just opened, renewed or moved; `expires_in` in seconds."""

    success: bool
    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int
    user: SignedInUser
    device_token: str | None = None


class Identity(Record):
    """Who the credentials speak for, and what they may do; `session` is None for an API key."""

    id: str
    email: str
    username: str
    role: str
    status: str
    tenant_id: str
    permissions: list[str]
    tenant: Record
    session: Record | None = None


class Session(Record):
    """One sign-in of a person: on what device, from where, and until when it holds."""

    id: str
    kind: str
    device: str
    address: str | None = None
    amr: list[str]
    current: bool
    created_at: datetime
    authenticated_at: datetime
    last_seen_at: datetime
    expires_at: datetime


class SessionList(Record):
    """Live sessions, oldest first."""

    data: list[Session]
