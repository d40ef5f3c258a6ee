"""What happens to the domains of a tenant."""

from typing import ClassVar
from uuid import UUID

from leanvibe_server.identity.events import AuthEvent


class DomainAdded(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "domain.added"
    domain_id: UUID
    domain: str


class DomainVerified(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "domain.verified"
    domain_id: UUID
    domain: str


class DomainLost(AuthEvent, frozen=True, kw_only=True):
    """The record is gone for days: the domain counts as the tenant's no more."""

    name: ClassVar[str] = "domain.lost"
    domain_id: UUID
    domain: str


class DomainDeleted(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "domain.deleted"
    domain_id: UUID
    domain: str
