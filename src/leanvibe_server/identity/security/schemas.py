"""Wire shapes of the security policy."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, field_validator

from leanvibe_server.identity import passwords
from leanvibe_server.identity.policy import SecurityPolicy, parse_network
from leanvibe_server.kernel.schemas import counted

MAX_NETWORKS = 200
Method = Literal["totp", "webauthn", "sms", "email"]


def _network(text: str) -> str:
    try:
        return str(parse_network(text))
    except ValueError:
        raise ValueError(
            f"{text!r} is no address and no network like 203.0.113.0/24 or 2001:db8::/32"
        ) from None


NetworkText = Annotated[str, Field(max_length=50), AfterValidator(_network)]


class SecurityChange(BaseModel):
    """What to change of the policy; what is not named stays.

    null puts a limit back to the product's own.
    """

    password_min_length: int | None = Field(
        None,
        ge=passwords.MIN_LENGTH_BESIDE_FACTOR,
        le=64,
        description=(
            f"Characters a new password must have; null: {passwords.MIN_LENGTH}. Fewer only with "
            "`mfa_required`"
        ),
    )
    password_history: int | None = Field(
        None, ge=0, le=24, description="Latest passwords that may not come again; null: 5"
    )
    session_idle_minutes: int | None = Field(
        None, ge=5, le=43_200, description="A session that rests so long ends; null: the product's"
    )
    session_absolute_hours: int | None = Field(
        None, ge=1, le=2_160, description="A session ends after this time; null: the product's"
    )
    max_sessions: int | None = Field(
        None, ge=1, le=1_000, description="Sessions of one person at once; null: the plan's limit"
    )
    allowed_networks: list[NetworkText] | None = Field(
        None,
        max_length=MAX_NETWORKS,
        description="Addresses and CIDR blocks people and keys may come from; empty: any",
        examples=[["203.0.113.0/24", "2001:db8::/32"]],
    )
    mfa_required: bool | None = Field(None, description="Everybody needs a second factor")
    mfa_methods: list[Method] | None = Field(
        None, min_length=1, description="Second factors that count"
    )
    sso_required: bool | None = Field(
        None, description="People sign in through an identity provider only; owners excepted"
    )
    force: bool = Field(
        False, description="Apply the networks even if the caller's own address is not in them"
    )

    _counted = field_validator(
        "password_min_length",
        "password_history",
        "session_idle_minutes",
        "session_absolute_hours",
        "max_sessions",
        mode="before",
    )(counted)


class SecurityView(BaseModel):
    """The security policy in force. Limits that are null are the product's own."""

    password_min_length: int
    password_history: int
    session_idle_minutes: int | None
    session_absolute_hours: int | None
    max_sessions: int | None
    allowed_networks: list[str]
    mfa_required: bool
    mfa_methods: list[str]
    sso_required: bool
    your_address: str | None = Field(description="Where this request came from")

    @classmethod
    def of(cls, policy: SecurityPolicy, *, address: str | None) -> "SecurityView":
        return cls(
            password_min_length=policy.shortest_password,
            password_history=policy.password_history,
            session_idle_minutes=policy.session_idle_minutes,
            session_absolute_hours=policy.session_absolute_hours,
            max_sessions=policy.max_sessions,
            allowed_networks=list(policy.allowed_networks),
            mfa_required=policy.mfa_required,
            mfa_methods=list(policy.mfa_methods),
            sso_required=policy.sso_required,
            your_address=address,
        )
