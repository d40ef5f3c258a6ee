"""What programs sign in with."""

from __future__ import annotations

from datetime import datetime

from leanvibe._records import Record


class ApiKey(Record):
    """A key for programs; `key` is there once, in the answer to its creation."""

    id: str
    name: str
    key: str | None = None
    prefix: str
    scopes: list[str]
    user_id: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_address: str | None = None
    rate_limit_per_minute: int | None = None
    allowed_addresses: list[str] | None = None
    replaces: str | None = None
    created_by: str | None = None
    made_with: str | None = None
    orphaned: bool = False


class ServiceAccount(Record):
    """An account for programs."""

    id: str
    name: str
    description: str
    role: str
    status: str
    created_by: str | None = None
    created_at: datetime


class OAuthClient(Record):
    """Client credentials; `client_secret` is there once, in the answer that made it."""

    id: str
    client_id: str
    client_secret: str | None = None
    name: str
    scopes: list[str]
    service_account_id: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    created_by: str | None = None
    made_with: str | None = None
    orphaned: bool = False


class AccessToken(Record):
    """An access token by client credentials; it lasts `expires_in` seconds."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str


class Introspection(Record):
    """What is known of a token; of one that does not hold, only that."""

    active: bool
    scope: str | None = None
    client_id: str | None = None
    username: str | None = None
    sub: str | None = None
    tid: str | None = None
    exp: int | None = None


class ScimToken(Record):
    """A token for a provisioning client; `token` is there once, in the answer that made it."""

    id: str
    name: str
    token: str | None = None
    base_url: str | None = None
    prefix: str
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    created_by: str | None = None
    made_with: str | None = None
    orphaned: bool = False
