"""Sign-in by an identity provider: OpenID Connect, SAML, and the domains that lead there."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from leanvibe._records import Record


class SsoRedirect(Record):
    """Where to send the browser to sign in; `state` comes back with the code."""

    provider: str
    redirect_url: str
    state: str
    expires_in: int


class SsoProvider(Record):
    """An identity provider, without its secret."""

    id: str
    provider_type: str
    protocol: str
    provider_name: str
    slug: str
    enabled: bool
    issuer: str
    client_id: str | None
    has_client_secret: bool
    redirect_uri: str
    settings: dict[str, Any]
    default_role: str
    role_mapping: list[dict[str, str]]


class SsoProviderTest(Record):
    """What a look at a provider found."""

    success: bool
    checks: list[dict[str, Any]]


class SsoDomain(Record):
    """A domain and the TXT record that proves it."""

    id: str
    domain: str
    status: str
    record_name: str
    record_value: str
    verified_at: datetime | None


class WaysIn(Record):
    """How people with an address of a domain sign in."""

    methods: list[str]
    provider: dict[str, str] | None
    providers: list[dict[str, str]]


class LinkedIdentity(Record):
    """An account at a provider by which one may sign in."""

    id: str
    provider_id: str
    provider_name: str
    provider_type: str
    email: str | None


class PersonIdentity(LinkedIdentity):
    """An account at a provider by which somebody may sign in; `subject` is its name there."""

    subject: str


class PersonIdentities(Record):
    """The accounts by which somebody may sign in."""

    data: list[PersonIdentity]


class LinkedIdentities(Record):
    """The accounts by which one may sign in."""

    data: list[LinkedIdentity]


class SsoClientKey(Record):
    """A key by which a provider knows us: next or current."""

    id: str
    status: str
    fingerprint: str
    certificate: str
    created_at: datetime
    valid_until: datetime


class SsoClientKeys(Record):
    """The keys by which a provider knows us, and the address of their public halves."""

    jwks_uri: str
    client_keys: list[SsoClientKey]


class SamlKey(Record):
    """A certificate of the tenant's service provider: next, current or previous."""

    id: str
    status: str
    fingerprint: str
    certificate: str
    created_at: datetime
    valid_until: datetime
    retires_at: datetime | None = None


class SamlProviderCertificate(Record):
    """A certificate an identity provider signs with, by its SHA-256."""

    fingerprint: str
    valid_until: datetime


class SamlMetadata(Record):
    """The metadata of an identity provider, and how reading it again by itself goes."""

    provider_id: str
    metadata_url: str | None
    refreshed: bool
    read_at: datetime
    tried_at: datetime | None = None
    next_at: datetime | None = None
    error: str | None = None
    failures: int = 0
    valid_until: datetime | None = None
    certificates: list[SamlProviderCertificate]


class SamlServiceProvider(Record):
    """What an identity provider has to know about the tenant."""

    entity_id: str
    metadata_url: str
    acs_url: str
    shared_acs_url: str
    logout_url: str
    certificates: list[SamlKey]


class SamlProvider(Record):
    """An identity provider the tenant trusts."""

    id: str
    tenant_id: str
    provider_type: str
    protocol: str
    provider_name: str
    slug: str
    enabled: bool
    issuer: str
    redirect_uri: str
    settings: dict[str, Any]
    default_role: str
    created_at: datetime
    updated_at: datetime
