"""Wire shapes of the identity room."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from leanvibe_server.identity import passwords
from leanvibe_server.identity.addresses import MAX_LENGTH as MAX_EMAIL
from leanvibe_server.identity.devices import device_name
from leanvibe_server.identity.models import ApiKey, Session, User
from leanvibe_server.kernel.pagination import Whole
from leanvibe_server.kernel.schemas import OneLine, RowView, Timestamp
from leanvibe_server.tenancy.models import Tenant
from leanvibe_server.tenancy.schemas import TenantView

Email = Annotated[str, Field(min_length=1, max_length=MAX_EMAIL, examples=["admin@enterprise.com"])]
SAMPLE_PHRASE = "SecurePassword123!"
Password = Annotated[
    str,
    Field(
        min_length=1,
        max_length=passwords.MAX_LENGTH,
        description=f"At least {passwords.MIN_LENGTH} characters; any characters will do",
        examples=[SAMPLE_PHRASE],
    ),
]
Username = Annotated[str, Field(min_length=1, max_length=64, examples=["developer"]), OneLine]


RedirectUri = Annotated[
    str | None,
    Field(max_length=2048, description="The one the sign-in began with, if it named one"),
]
Issuer = Annotated[
    str | None,
    Field(max_length=2048, description="The `iss` of the callback, where the provider sends it"),
]


class LoginRequest(BaseModel):
    """Who wants in. The tenant is found by the e-mail unless it is named."""

    email: Email
    password: str | None = Field(
        None,
        max_length=passwords.MAX_LENGTH,
        description="For the provider local",
        examples=[SAMPLE_PHRASE],
    )
    provider: str = Field(
        "local", max_length=50, description="local, or the slug or type of an identity provider"
    )
    tenant_id: str | None = Field(None, max_length=100, description="Id or slug of the tenant")
    mfa_code: str | None = Field(
        None, max_length=20, description="Of an app or a backup code, for one call instead of two"
    )
    auth_code: str | None = Field(
        None, max_length=4096, description="The `code` that came back from the provider"
    )
    state: str | None = Field(
        None, max_length=4096, description="The `state` that came back from the provider"
    )
    redirect_uri: RedirectUri = None
    device_token: str | None = Field(
        None, max_length=200, description="From an earlier sign-in of this account on this device"
    )
    iss: Issuer = None


class SignedInUser(RowView):
    """The user a session belongs to."""

    id: UUID
    email: str
    username: str
    role: str
    tenant_id: UUID


class TokenAnswer(BaseModel):
    """Tokens of a session. `expires_in` is the access token's life in seconds."""

    success: bool
    access_token: str
    refresh_token: str = Field(description="Good for one refresh; its successor comes with it")
    token_type: str
    expires_in: int
    user: SignedInUser
    device_token: str | None = Field(
        description="After a sign-in: keep it on this device and send it with the next one, so "
        "that others who fail to sign in do not make this device wait"
    )


class RefreshRequest(BaseModel):
    """The refresh token, unless it is sent as a bearer token."""

    refresh_token: str = Field(max_length=4096, description="The latest one of the session")


class SwitchRequest(BaseModel):
    """Where to go."""

    tenant_id: UUID = Field(description="One of your organisations")


class Success(BaseModel):
    """It is done."""

    success: bool


class TenantSummary(RowView):
    """The tenant one acts in."""

    id: UUID
    slug: str
    name: str
    plan: str
    status: str

    @classmethod
    def of(cls, tenant: Tenant) -> "TenantSummary":
        return cls.from_row(tenant, name=tenant.display_name)


class SessionView(RowView):
    """One sign-in of a user: `kind` is token (API) or web (dashboard)."""

    id: UUID
    kind: str
    device: str = Field(description="What the program and system seem to be")
    address: str | None
    user_agent: str | None
    amr: list[str] = Field(description="How it was proved, by RFC 8176: pwd, otp, hwk, fed …")
    current: bool
    created_at: Timestamp
    authenticated_at: Timestamp = Field(description="When its holder last proved who they are")
    last_seen_at: Timestamp
    expires_at: Timestamp

    @classmethod
    def of(cls, session: Session, *, current: UUID | None) -> "SessionView":
        device = device_name(session.user_agent)
        return cls.from_row(session, device=device, current=session.id == current)


class SessionList(Whole[SessionView]):
    """The live sessions of the caller."""


class Identity(RowView):
    """Who these credentials speak for, and what they may do."""

    id: UUID
    email: str
    username: str
    role: str
    status: str
    is_active: bool
    email_verified: bool
    tenant_id: UUID
    permissions: list[str]
    tenant: TenantSummary
    session: SessionView | None = Field(description="null for an API key")


class NewUser(BaseModel):
    """A person to add, or oneself to sign up.

    Signing up makes a tenant of one's own; `role` and `expires_at` are for administrators.
    """

    email: Email
    username: Username | None = None
    password: Password | None = Field(
        None, description="Without one, an administrator's addition is invited by e-mail"
    )
    organization_name: Annotated[str, Field(min_length=1, max_length=200), OneLine] | None = None
    role: str | None = Field(None, max_length=40, examples=["developer"])
    expires_at: AwareDatetime | None = Field(None, description="When access ends; for guests")
    invitation_days: int = Field(7, ge=1, le=30, description="How long an invitation holds")


class UserChange(BaseModel):
    """What to change of a user; what is not named stays."""

    username: Username | None = None
    role: str | None = Field(None, max_length=40, examples=["manager"])
    status: str | None = Field(None, description="active or disabled")
    expires_at: AwareDatetime | None = Field(
        None, description="When access ends; null for no end, which a guest must have"
    )

    @property
    def only_disables(self) -> bool:
        return self.status == "disabled" and self.model_fields_set == {"status"}


class UserView(RowView):
    """A person in the tenant."""

    id: UUID
    email: str
    username: str
    role: str
    status: str
    is_active: bool
    email_verified: bool
    tenant_id: UUID
    expires_at: Timestamp | None
    last_login_at: Timestamp | None
    created_at: Timestamp

    @classmethod
    def of(cls, user: User) -> "UserView":
        verified = user.email_verified_at is not None
        return cls.from_row(user, is_active=user.active, email_verified=verified)


class LinkToken(BaseModel):
    """The token of the link in a mail."""

    token: str = Field(max_length=200, description="What stands behind `token=` in the mailed link")


class Acceptance(LinkToken):
    """An invitation's token and the password to sign in with from now on."""

    password: Password
    username: Username | None = Field(None, description="What others call you")


class NewAccountKey(BaseModel):
    """A key to make. It may do what `scopes` name, never more than the account it acts as."""

    name: Annotated[str, Field(min_length=1, max_length=100), OneLine] = Field(examples=["CI"])
    scopes: list[str] | None = Field(
        None,
        max_length=50,
        description="Permissions; without them all of the user's but managing users and keys",
        examples=[["project:read", "task:create", "task:read"]],
    )
    expires_at: AwareDatetime | None = Field(
        None, description="When it ends; without this and `expires_in_days` it does not"
    )
    expires_in_days: int | None = Field(
        None, ge=1, le=3650, description="The same, counted from now; instead of `expires_at`"
    )
    environment: str | None = Field(
        None, description="live or test: the key's prefix, so that people can tell them apart"
    )
    rate_limit_per_minute: int | None = Field(
        None, ge=1, description="Calls a minute; at most the plan's, which holds by itself"
    )
    allowed_addresses: list[str] = Field(
        default_factory=list,
        max_length=50,
        description="Addresses or CIDR blocks the key may be used from; none for every address",
        examples=[["203.0.113.0/24"]],
    )


class NewApiKey(NewAccountKey):
    """A key to make. It acts as its user and may do what `scopes` name, never more than the
    user."""

    user_id: UUID | None = Field(None, description="Whom the key acts as; the caller by default")


class Rotation(BaseModel):
    """How long the old key goes on beside its successor."""

    overlap_hours: int = Field(
        default=24, ge=0, le=720, description="Hours until the old key ends; 0 ends it at once"
    )


class ApiKeyQuery(BaseModel):
    """Which keys of the tenant to list."""

    user_id: UUID | None = Field(default=None, description="Keys that act as this user")
    status: Literal["active", "expired", "revoked"] | None = Field(
        default=None, description="How the key stands now"
    )
    prefix: str | None = Field(
        default=None, max_length=40, description="How the key begins, as in a scanner's report"
    )
    orphaned: bool | None = Field(
        default=None,
        description="Keys only, or not, that somebody made for another and who is here no more",
    )


class ApiKeyView(RowView):
    """A key, without its secret."""

    id: UUID
    name: str
    prefix: str = Field(description="How the key begins")
    scopes: list[str]
    user_id: UUID
    created_at: Timestamp
    last_used_at: Timestamp | None
    expires_at: Timestamp | None
    revoked_at: Timestamp | None
    last_used_address: str | None
    rate_limit_per_minute: int | None
    allowed_addresses: list[str]
    replaces: UUID | None = Field(description="The key this one was made from by rotation")
    created_by: UUID | None = Field(description="Who made it")
    made_with: UUID | None = Field(
        description="The API key or OAuth client it was made with, and ends with when that is "
        "revoked"
    )
    orphaned: bool = Field(
        description="Somebody made it for another and is here no more; it goes on"
    )

    @classmethod
    def of(cls, key: ApiKey) -> "ApiKeyView":
        return cls.from_row(key, allowed_addresses=key.allowed_networks)


class CreatedApiKey(ApiKeyView):
    """A fresh key. `key` is shown here and nowhere else."""

    key: str


class NewTenant(BaseModel):
    """An organisation to create. Its owner is invited by e-mail."""

    organization_name: Annotated[str, Field(min_length=1, max_length=200), OneLine] = Field(
        examples=["Enterprise Corp"]
    )
    slug: str | None = Field(None, max_length=63, description="Also taken as `subdomain`")
    subdomain: str | None = Field(None, max_length=63, json_schema_extra={"deprecated": True})
    admin_email: Email | None = Field(None, description="Also taken as `billing_email`")
    billing_email: Email | None = Field(None, json_schema_extra={"deprecated": True})
    plan: str = Field("developer", max_length=60, description="Id, slug or older name of a plan")
    data_residency: str | None = Field(
        None,
        max_length=10,
        examples=["us"],
        description="The region its data is kept in for good: us, eu, uk, ca or au, as far as the "
        "plan holds it and this installation has a database there; the home region if missing",
    )
    parent_tenant_id: UUID | None = Field(None, description="The organisation it goes below")
    configuration: dict[str, object] = Field(
        default_factory=dict, description="As of PUT /v1/tenants/me/info"
    )


class CreatedTenant(TenantView):
    """A tenant that was just created."""

    user_count: int
