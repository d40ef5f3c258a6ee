"""Wire shapes of people coming and going."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from leanvibe_server.identity.people.models import Pending
from leanvibe_server.identity.schemas import Email, Username
from leanvibe_server.kernel.schemas import Timestamp

MOST_AT_ONCE = 100
Order = Literal[
    "created_at", "-created_at", "email", "-email", "username", "-username", "last_login_at",
    "-last_login_at",
]  # fmt: skip
Days = Annotated[int, Field(ge=1, le=30, description="How long the invitation holds")]


class UserQuery(BaseModel):
    """Which people, and in which order."""

    model_config = ConfigDict(extra="ignore")

    role: str | None = Field(None, max_length=40)
    status: Literal["active", "invited", "disabled"] | None = None
    q: str | None = Field(None, max_length=200, description="Part of e-mail or name")
    guest: bool | None = Field(None, description="Whether their access ends by itself")
    last_login_before: AwareDatetime | None = Field(
        None, description="Not signed in since then, or never"
    )
    sort: Order = Field("created_at", description="With - in front the other way round")


class InvitationLine(BaseModel):
    """One person to invite."""

    email: Email
    username: Username | None = None
    role: str | None = Field(None, max_length=40, description="In place of the one for all")
    expires_at: AwareDatetime | None = Field(None, description="When access ends; for guests")


class BulkInvitation(BaseModel):
    """People to invite at once."""

    invitations: list[InvitationLine] = Field(min_length=1, max_length=MOST_AT_ONCE)
    role: str | None = Field(None, max_length=40, description="developer if missing")
    invitation_days: Days = 7


class LineProblem(BaseModel):
    """Why one line was refused."""

    error: str
    message: str


class InvitationResult(BaseModel):
    """What came of one line. `user_id` is there for those who may see people."""

    index: int
    email: str
    status: str = Field(description="invited or refused")
    user_id: UUID | None
    error: LineProblem | None


class BulkResult(BaseModel):
    """What came of each line, in their order."""

    data: list[InvitationResult]
    invited: int
    refused: int


class PendingInvitation(BaseModel):
    """Somebody who was invited and has not come yet."""

    user_id: UUID
    email: str
    username: str
    role: str
    sent_at: Timestamp | None
    expires_at: Timestamp | None

    @classmethod
    def of(cls, pending: Pending) -> "PendingInvitation":
        return cls(
            user_id=pending.user_id,
            email=pending.email,
            username=pending.username,
            role=pending.role,
            sent_at=pending.sent_at,
            expires_at=pending.expires_at,
        )


class Handover(BaseModel):
    """Who becomes the owner, and what you become."""

    user_id: UUID
    keep_role: str = Field("admin", max_length=40)
