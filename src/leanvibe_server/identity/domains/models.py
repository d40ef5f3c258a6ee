"""Rows of the e-mail domains of tenants."""

from datetime import datetime
from uuid import UUID

import msgspec


class Domain(msgspec.Struct, frozen=True, kw_only=True):
    """A domain a tenant calls its own, proved or not yet.

    `challenge` is what its TXT record must hold. `checked_at` is the last look at the
    record, and `missing_since` when it was first found to be gone.
    """

    tenant_id: UUID
    id: UUID
    domain: str
    challenge: str
    created_at: datetime
    verified_at: datetime | None
    checked_at: datetime | None
    missing_since: datetime | None
