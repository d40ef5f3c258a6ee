"""Wire shapes of second factors."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from leanvibe_server.identity.mfa.models import Factor
from leanvibe_server.identity.policy import SecurityPolicy
from leanvibe_server.identity.schemas import TokenAnswer
from leanvibe_server.kernel.pagination import Whole
from leanvibe_server.kernel.schemas import OneLine, RowView, Timestamp

Method = Literal["totp", "sms", "email", "webauthn"]
AnyMethod = Literal["totp", "sms", "email", "webauthn", "backup_code"]
Token = Field(None, max_length=200, description="From a sign-in that answered `mfa_required`")
Credential = Field(
    None,
    description="What `navigator.credentials` answered, as its `toJSON()` gives it",
)


class SetupRequest(BaseModel):
    """Which second factor to set up."""

    method: Method = Field(default="totp", examples=["totp"])
    phone: str | None = Field(
        None, max_length=40, description="For sms: the number with its country code, +14155550123"
    )
    name: str | None = Field(None, max_length=60, description="What to call the factor")
    mfa_token: str | None = Token


class TotpSetup(BaseModel):
    """What an authenticator app is set up with. Secret and codes are shown in this answer only."""

    method: str = Field(examples=["totp"])
    secret: str = Field(examples=["JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"])
    qr_code: str = Field(description="The same as a PNG in a data URL")
    backup_codes: list[str] = Field(description="Eight codes, each good once; valid once verified")


class SentSetup(BaseModel):
    """A code is on its way."""

    method: str
    sent_to: str = Field(description="Where, in part", examples=["+1•••23"])
    expires_in: int = Field(description="Seconds the code is good for")
    backup_codes: list[str] | None = Field(description="For who has none yet")


class KeySetup(BaseModel):
    """What `navigator.credentials.create` is called with."""

    method: str
    options: dict[str, Any] = Field(description="PublicKeyCredentialCreationOptions as JSON")
    backup_codes: list[str] | None = Field(description="For who has none yet")


class VerifyRequest(BaseModel):
    """The first code, or a new key's answer."""

    method: Method = "totp"
    code: str | None = Field(None, max_length=20, examples=["123456"])
    credential: dict[str, Any] | None = Credential
    mfa_token: str | None = Token


class Activated(BaseModel):
    """The factor counts from now on."""

    message: str


class ActivatedAndSignedIn(TokenAnswer):
    """The factor counts from now on, and the sign-in that waited for it is complete."""

    message: str


class ChallengeRequest(BaseModel):
    """A waiting sign-in with its second factor, or with what to ask for."""

    mfa_token: str = Field(max_length=200, description="From the answer `mfa_required`")
    method: AnyMethod | None = Field(
        None, description="By default a backup code for eight digits, else the app, else sms, email"
    )
    code: str | None = Field(None, max_length=20, examples=["123456"])
    credential: dict[str, Any] | None = Credential


class ChallengeStep(BaseModel):
    """A code is on its way, or a key is to sign."""

    method: str
    sent_to: str | None = Field(description="Where the code went, in part")
    expires_in: int = Field(description="Seconds")
    options: dict[str, Any] | None = Field(
        description="For webauthn: PublicKeyCredentialRequestOptions as JSON"
    )


class StepUpAsk(BaseModel):
    """Which factor to prove oneself with once more."""

    method: Literal["sms", "email", "webauthn"] = Field(description="One that you have set up")


class FactorName(BaseModel):
    """What to call a factor."""

    name: Annotated[
        str, Field(min_length=1, max_length=60, examples=["Key on my key ring"]), OneLine
    ]


class FactorView(RowView):
    """One second factor, without its secret."""

    id: UUID
    method: str
    name: str
    created_at: Timestamp
    last_used_at: Timestamp | None
    synced: bool = Field(description="A passkey that is kept in more than one place")

    @classmethod
    def of(cls, factor: Factor) -> "FactorView":
        return cls.from_row(factor, name=factor.label, synced=factor.backed_up)


class FactorList(Whole[FactorView]):
    """One's own second factors."""

    backup_codes_left: int
    allowed_methods: list[str] = Field(description="What the organisation lets count")
    required: bool = Field(description="Whether it asks everybody for one")

    @classmethod
    def of(cls, listed: tuple[list[Factor], int, SecurityPolicy]) -> "FactorList":
        factors, left, policy = listed
        return cls(
            data=[FactorView.of(one) for one in factors],
            backup_codes_left=left,
            allowed_methods=list(policy.mfa_methods),
            required=policy.mfa_required,
        )


class BackupCodes(BaseModel):
    """Eight codes, each good once. They are shown in this answer only."""

    backup_codes: list[str]


class ResetDone(BaseModel):
    """The person has no second factor any more."""

    success: bool
    sessions_ended: int


class PasskeyOptions(BaseModel):
    """What `navigator.credentials.get` is called with."""

    passkey_token: str
    expires_in: int
    options: dict[str, Any] = Field(description="PublicKeyCredentialRequestOptions as JSON")


class PasskeyLogin(BaseModel):
    """A passkey's answer."""

    passkey_token: str = Field(max_length=200, description="Of POST /auth/passkeys/options")
    credential: dict[str, Any] = Field(
        description="What `navigator.credentials.get` answered, as JSON"
    )
