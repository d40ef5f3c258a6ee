"""Wire shapes of people coming and going."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from leanvibe_server.identity.groups.schemas import GroupView
from leanvibe_server.identity.mfa.schemas import FactorView
from leanvibe_server.identity.models import User
from leanvibe_server.identity.schemas import Email, Username, UserView
from leanvibe_server.kernel.pagination import Whole
from leanvibe_server.kernel.schemas import RowView, Timestamp

MOST_AT_ONCE = 100
Order = Literal[
    "created_at", "-created_at", "email", "-email", "username", "-username", "last_login_at",
    "-last_login_at",
]  # fmt: skip
InvitationState = Literal["pending", "expired", "not_sent", "accepted"]
Days = Annotated[int, Field(ge=1, le=30, description="How long the invitation holds")]


class UserQuery(BaseModel):
    """Which people, and in which order."""

    model_config = ConfigDict(extra="ignore")

    role: str | None = Field(None, max_length=40, description="Their role in the tenant")
    status: Literal["active", "invited", "disabled"] | None = Field(
        None, description="Whether they may sign in, are still invited, or were shut out"
    )
    q: str | None = Field(None, max_length=200, description="Part of e-mail or name")
    guest: bool | None = Field(None, description="Whether their access ends by itself")
    mfa: Literal["enrolled", "none"] | None = Field(
        None, description="Who has, or lacks, a second factor; for those who may change people"
    )
    last_login_before: AwareDatetime | None = Field(
        None, description="Not signed in since then, or never"
    )
    last_login_after: AwareDatetime | None = Field(None, description="Signed in since then")
    sort: Order = Field("created_at", description="With - in front the other way round")


class PersonView(UserView):
    """A person in the tenant, as those who look after people see them."""

    mfa_enabled: bool | None = Field(
        description="Whether they have set up a second factor; null for callers who may not "
        "change people"
    )

    own_role: str = Field(description="What they have by themselves, whatever groups give")
    further_roles: list[str] = Field(
        description="What groups give beside `role`, which is the highest: rights add up"
    )

    @classmethod
    def seen(cls, user: User, *, mfa_enabled: bool | None) -> "PersonView":
        return cls(
            **UserView.of(user).model_dump(),
            mfa_enabled=mfa_enabled,
            own_role=user.own,
            further_roles=user.further_roles,
        )


class PersonFactors(Whole[FactorView]):
    """The second factors of a person."""

    backup_codes_left: int


class PersonGroups(Whole[GroupView]):
    """The groups a person is in."""


class InvitationQuery(BaseModel):
    """Which invitations."""

    state: InvitationState | None = Field(
        None, description="Without it, of everybody who was invited and has not come yet"
    )


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


def _decoded(body: object) -> object:
    """A file as text. Raises: ValueError: it is not in UTF-8."""
    if not isinstance(body, bytes):
        return body
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise ValueError("the file is not in UTF-8: save it as CSV UTF-8") from None
    if "\0" in text:
        raise ValueError("the file is no text")
    return text


CsvText = Annotated[str, BeforeValidator(_decoded)]


class CsvInvitation(BaseModel):
    """What holds for everybody of a file who says nothing else."""

    model_config = ConfigDict(extra="ignore")

    role: str | None = Field(None, max_length=40, description="developer if missing")
    invitation_days: Days = 7


class LineProblem(BaseModel):
    """Why one line was refused."""

    error: str
    message: str


class InvitationResult(BaseModel):
    """What came of one line. `user_id` is there for those who may see people."""

    index: int
    line: int | None = Field(description="Of the file, from 1; null where there was none")
    email: str
    status: str = Field(description="invited or refused")
    user_id: UUID | None
    error: LineProblem | None


class BulkResult(BaseModel):
    """What came of each line, in their order."""

    data: list[InvitationResult]
    invited: int
    refused: int


class PendingInvitation(RowView):
    """Somebody who was invited, and what became of it."""

    user_id: UUID
    email: str
    username: str
    role: str
    state: str = Field(
        description="pending: the link holds; expired: send it again; not_sent: there is no link; "
        "accepted: they came by it"
    )
    sent_at: Timestamp | None
    expires_at: Timestamp | None = Field(description="When the link ends")
    accepted_at: Timestamp | None
    invited_by: UUID | None = Field(
        description="Who sent it; nobody where the house did, or an organisation above"
    )
    invited_by_email: str | None = Field(description="Their address, while they are here")


class Handover(BaseModel):
    """Who becomes the owner, and what you become."""

    user_id: UUID = Field(description="Somebody active in the organisation")
    keep_role: str = Field("admin", max_length=40, description="Your role afterwards")
