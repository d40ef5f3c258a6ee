"""Wire shapes of the management of provisioning; what clients send and get is the standard's."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from leanvibe_server.kernel.schemas import OneLine, RowView, Timestamp


class NewScimToken(BaseModel):
    """A token for one provisioning client."""

    name: Annotated[str, Field(min_length=1, max_length=100), OneLine] = Field(examples=["Okta"])
    expires_in_days: int = Field(
        default=365, ge=1, le=730, description="After so many days it is refused"
    )


class ScimTokenView(RowView):
    """A token, without its secret."""

    id: UUID
    name: str
    prefix: str
    created_by: UUID | None = Field(description="Who made it")
    made_with: UUID | None = Field(
        description="The API key or OAuth client it was made with, and ends with when that is "
        "revoked"
    )
    orphaned: bool = Field(
        description="It goes on, because it belongs to the organisation, though who made it is "
        "here no more"
    )
    created_at: Timestamp
    expires_at: Timestamp
    revoked_at: Timestamp | None
    last_used_at: Timestamp | None
    last_used_address: str | None


class CreatedScimToken(ScimTokenView):
    """A fresh token. `token` is shown here and nowhere else."""

    token: str
    base_url: str = Field(description="What the provisioning client asks for as tenant URL")


class ScimStatus(BaseModel):
    """Where clients find this tenant, and when they were last here."""

    base_url: str
    last_used_at: Timestamp | None
    last_change_at: Timestamp | None
    provisioned_users: int
