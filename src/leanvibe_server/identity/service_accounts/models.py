"""Rows of service accounts and of their OAuth clients."""

from datetime import datetime
from uuid import UUID

import msgspec


class ServiceAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account for programs. Its id is that of its user, who holds the role."""

    tenant_id: UUID
    id: UUID
    name: str
    description: str
    role: str
    status: str
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime


class OAuthClient(msgspec.Struct, frozen=True, kw_only=True):
    """Client credentials of a service account. Only the hash of the secret is kept.

    After a rotation the secret before holds until `previous_until`. `created_by` made it, with the
    key or client `made_with` if that was a program; `orphaned`: it goes on though they are here
    no more.
    """

    tenant_id: UUID
    id: UUID
    service_account_id: UUID
    name: str
    scopes: list[str]
    secret_prefix: str
    previous_until: datetime | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    last_used_address: str | None
    created_by: UUID | None
    made_with: UUID | None
    orphaned: bool = False
