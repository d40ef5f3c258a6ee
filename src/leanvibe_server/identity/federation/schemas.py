"""Wire shapes of identity providers and linked identities."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from leanvibe_server.identity.federation.models import FederatedIdentity, RoleRule, SsoProvider
from leanvibe_server.kernel.pagination import Whole
from leanvibe_server.kernel.schemas import OneLine, Timestamp

ProviderType = Literal["google", "microsoft", "okta", "oidc", "saml"]
Url = Annotated[str, Field(min_length=1, max_length=2048)]
MAX_RULES = 200


class RoleRuleView(BaseModel):
    """Who has `value` among the values of `claim` gets `role`. The first rule that fits counts."""

    claim: str = Field(min_length=1, max_length=200, examples=["groups"])
    value: str = Field(min_length=1, max_length=500, examples=["engineering-leads"])
    role: str = Field(max_length=100, examples=["manager"])


class NewProvider(BaseModel):
    """An identity provider to add."""

    tenant_id: str | None = Field(
        None, max_length=100, description="Yours, by id or slug; only for clients that send it"
    )
    provider_type: ProviderType = Field(
        description="A preset (google, microsoft, okta), any OpenID Connect issuer (oidc), or saml"
    )
    provider_name: Annotated[str, Field(min_length=1, max_length=100), OneLine] = Field(
        examples=["Google SSO"], description="What people read on the sign-in button"
    )
    client_id: str | None = Field(
        None,
        min_length=1,
        max_length=500,
        description="What the provider calls this product",
        examples=["1234.apps.googleusercontent.com"],
    )
    client_secret: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="Kept encrypted and never shown again",
        examples=["…"],
    )
    issuer: Url | None = Field(
        None, description="For oidc: as its discovery document names it, https://idp.example.com"
    )
    discovery_url: Url | None = Field(
        None, description="`<issuer>/.well-known/openid-configuration`, instead of `issuer`"
    )
    settings: dict[str, Any] = Field(
        default_factory=dict,
        description="`tenant` (Microsoft directory id), `domain` (Okta), `scopes`, "
        "`groups_claim`, `redirect_uris`, `newcomers`, `trust_mfa`. For SAML `metadata_url` or "
        "`metadata_xml`, `metadata_certificate`, `refresh_metadata`, `newcomers`, `idp_initiated`, "
        "`encryption_required`, `force_authn`, `single_logout`, `trust_mfa`, `name_id_format`, "
        "`subject_attribute`, `email_attribute`, `name_attribute`, `groups_attribute`",
    )
    default_role: str = Field("developer", max_length=100, description="Role of new people")
    role_mapping: list[RoleRuleView] = Field(
        default_factory=list,
        max_length=MAX_RULES,
        description="Roles by what the provider says of people; the first rule that fits counts",
    )
    enabled: bool = Field(True, description="Whether people may sign in by it at once")


class ProviderChange(BaseModel):
    """What to change of a provider; what is not named stays. Type and issuer stay for good: add
    another provider instead."""

    provider_type: str | None = Field(None, max_length=50, description="As it is, or left out")
    issuer: Url | None = Field(None, description="As it is, or left out")
    enabled: bool | None = Field(None, description="false ends the sessions it opened")
    provider_name: Annotated[str, Field(min_length=1, max_length=100), OneLine] | None = None
    client_id: str | None = Field(None, min_length=1, max_length=500)
    client_secret: str | None = Field(None, min_length=1, max_length=4096)
    settings: dict[str, Any] | None = Field(None, description="Single settings; null removes one")
    default_role: str | None = Field(
        None, max_length=100, description="Role of new people", examples=["viewer"]
    )
    role_mapping: list[RoleRuleView] | None = Field(
        None, max_length=MAX_RULES, description="In place of all rules there are"
    )


class ProviderView(BaseModel):
    """An identity provider. Its secret is never shown."""

    id: UUID
    tenant_id: UUID
    provider_type: str
    protocol: str
    provider_name: str
    slug: str = Field(description="Its name in /auth/sso/{provider}")
    enabled: bool
    is_active: bool = Field(description="The same as `enabled`")
    issuer: str
    client_id: str | None
    has_client_secret: bool
    redirect_uri: str = Field(description="The address to register at the provider")
    settings: dict[str, Any]
    default_role: str
    role_mapping: list[RoleRuleView]
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, provider: SsoProvider, *, redirect_uri: str) -> "ProviderView":
        return cls(
            id=provider.id,
            tenant_id=provider.tenant_id,
            provider_type=provider.type,
            protocol=provider.protocol,
            provider_name=provider.name,
            slug=provider.slug,
            enabled=provider.enabled,
            is_active=provider.enabled,
            issuer=provider.issuer,
            client_id=provider.client_id,
            has_client_secret=provider.client_secret_sealed is not None,
            redirect_uri=redirect_uri,
            settings=provider.settings,
            default_role=provider.default_role,
            role_mapping=[_rule(rule) for rule in provider.rules],
            created_at=provider.created_at,
            updated_at=provider.updated_at,
        )


def _rule(rule: RoleRule) -> RoleRuleView:
    return RoleRuleView(claim=rule.claim, value=rule.value, role=rule.role)


class CheckView(BaseModel):
    """One thing that was tried, and what came of it."""

    name: str
    ok: bool
    message: str


class ProviderTest(BaseModel):
    """What a look at the provider found. Nobody was signed in."""

    success: bool
    checks: list[CheckView]


class LinkedIdentity(BaseModel):
    """An account at an identity provider by which you may sign in."""

    id: UUID
    provider_id: UUID
    provider_name: str
    provider_type: str
    email: str | None
    created_at: Timestamp
    last_login_at: Timestamp | None

    @classmethod
    def of(cls, identity: FederatedIdentity, provider: SsoProvider) -> "LinkedIdentity":
        return cls(
            id=identity.id,
            provider_id=provider.id,
            provider_name=provider.name,
            provider_type=provider.type,
            email=identity.email,
            created_at=identity.created_at,
            last_login_at=identity.last_login_at,
        )


class LinkedIdentities(Whole[LinkedIdentity]):
    """The accounts by which you may sign in."""


class PersonIdentity(LinkedIdentity):
    """An account at an identity provider by which somebody may sign in."""

    subject: str = Field(description="What the provider calls them")

    @classmethod
    def seen(cls, identity: FederatedIdentity, provider: SsoProvider) -> "PersonIdentity":
        return cls(**LinkedIdentity.of(identity, provider).model_dump(), subject=identity.subject)


class PersonIdentities(Whole[PersonIdentity]):
    """The accounts by which somebody may sign in."""


class Redirect(BaseModel):
    """Where to send the browser to sign in."""

    provider: str
    redirect_url: str
    state: str = Field(description="Comes back with the code; send it with the code")
    expires_in: int = Field(description="Seconds within which to finish")


class Begin(BaseModel):
    """Who wants to sign in by a provider, and how they come back."""

    tenant: str | None = Field(
        None, max_length=100, description="Id or slug; also by X-Tenant-ID or X-Tenant-Slug"
    )
    tenant_id: str | None = Field(None, max_length=100, description="The same as `tenant`")
    email: str | None = Field(
        None, max_length=254, description="Its domain leads to the tenant that has proved it"
    )
    login_hint: str | None = Field(None, max_length=254, description="The same as `email`")
    domain_hint: str | None = Field(
        None, max_length=253, description="A domain alone, such as example.com"
    )
    redirect_uri: Url | None = Field(
        None, description="One of the provider's `settings.redirect_uris`; for programs"
    )
    next: str | None = Field(
        None, max_length=2048, description="A path of the dashboard to go on to; for browsers"
    )
