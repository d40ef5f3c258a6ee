"""Wire shapes of one's own account."""

from typing import Any

from pydantic import BaseModel, Field

from leanvibe_server.identity import passwords
from leanvibe_server.identity.schemas import SAMPLE_PHRASE, Email, LinkToken, Password, Username


class OwnChange(BaseModel):
    """What to change of oneself; what is not named stays."""

    username: Username | None = Field(None, description="What other people read")


class PasswordChange(BaseModel):
    """The password one has, and the one to have from now on."""

    current_password: str = Field(
        max_length=passwords.MAX_LENGTH,
        description="The one you have now",
        examples=["correct horse battery staple"],
    )
    new_password: Password


class Forgotten(BaseModel):
    """Whose password is forgotten."""

    email: Email
    tenant_id: str | None = Field(None, max_length=100, description="Id or slug of the tenant")


class PasswordReset(LinkToken):
    """The token of the mailed link, and the password to have from now on."""

    password: Password


class EmailChange(BaseModel):
    """The address to have instead. It counts once its link was followed."""

    new_email: Email


class StepUpRequest(BaseModel):
    """A code or key of a second factor; a password, for who has set up none."""

    password: str | None = Field(
        None,
        max_length=passwords.MAX_LENGTH,
        description="For people without a second factor",
        examples=[SAMPLE_PHRASE],
    )
    mfa_code: str | None = Field(
        None, max_length=20, description="Of an app, a message or a backup code"
    )
    mfa_method: str | None = Field(
        None, max_length=20, description="Which factor the code is of, where it could be several"
    )
    credential: dict[str, Any] | None = Field(
        None, description="A key's answer to what POST /auth/mfa/step-up asked"
    )


class SignOutEverywhere(BaseModel):
    """Which sessions to end."""

    keep_current: bool = Field(default=False, description="Stay signed in here")


class Accepted(BaseModel):
    """It is taken on; a mail follows where there is reason for one."""

    success: bool
    message: str


class EndedSessions(BaseModel):
    """How many sessions were ended."""

    success: bool
    ended: int
