"""Wire shapes of service accounts and their OAuth clients."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from leanvibe_server.identity import opaque
from leanvibe_server.identity.service_accounts.models import OAuthClient
from leanvibe_server.kernel.pagination import Whole
from leanvibe_server.kernel.schemas import OneLine, RowView, Timestamp

Name = Annotated[str, Field(min_length=1, max_length=100), OneLine]


class NewServiceAccount(BaseModel):
    """An account for a program. It has no password and signs in nowhere."""

    name: Name = Field(examples=["Deployments"])
    description: str = Field(default="", max_length=500)
    role: str | None = Field(
        default=None, max_length=60, description="developer by default; never owner"
    )


class ServiceAccountChange(BaseModel):
    """What to change; what is not named stays."""

    name: Name | None = None
    description: str | None = Field(default=None, max_length=500)
    role: str | None = Field(default=None, max_length=60)
    status: Literal["active", "disabled"] | None = Field(
        default=None,
        description="disabled refuses its keys and tokens from the next request on",
        examples=["disabled"],
    )


class ServiceAccountView(RowView):
    """An account for programs. Its API keys bear its id as their `user_id`."""

    id: UUID
    name: str
    description: str
    role: str
    status: str
    created_by: UUID | None
    created_at: Timestamp
    updated_at: Timestamp


class NewOAuthClient(BaseModel):
    """Client credentials to make. Its tokens may do what `scopes` name, never more than the
    account."""

    name: Name = "default"
    scopes: list[str] | None = Field(
        default=None,
        max_length=50,
        description="Permissions; without them all of the account's but managing users and keys",
        examples=[["task:create", "task:read"]],
    )
    expires_at: AwareDatetime | None = Field(
        None, description="When they end; without it they do not"
    )


class OAuthClientView(RowView):
    """Client credentials, without their secret."""

    id: UUID
    client_id: str = Field(description="What the token endpoint knows the client by")
    service_account_id: UUID
    name: str
    scopes: list[str]
    secret_prefix: str
    previous_secret_until: Timestamp | None
    created_at: Timestamp
    expires_at: Timestamp | None
    revoked_at: Timestamp | None
    last_used_at: Timestamp | None
    last_used_address: str | None
    created_by: UUID | None = Field(description="Who made it")
    made_with: UUID | None = Field(
        description="The API key or OAuth client it was made with, and ends with when that is "
        "revoked"
    )
    orphaned: bool = Field(description="It goes on though who made it is here no more")

    @classmethod
    def of(cls, client: OAuthClient) -> "OAuthClientView":
        return cls.from_row(
            client,
            client_id=opaque.client_id_of(client.tenant_id, client.id),
            previous_secret_until=client.previous_until,
        )


class CreatedOAuthClient(OAuthClientView):
    """Fresh client credentials. `client_secret` is shown here and nowhere else."""

    client_secret: str


class OAuthClientList(Whole[OAuthClientView]):
    """The clients of one account."""
