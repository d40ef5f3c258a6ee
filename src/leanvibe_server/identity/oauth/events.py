"""What clients do at the token endpoint."""

from typing import ClassVar
from uuid import UUID

from leanvibe_server.identity.events import AuthEvent


class OAuthTokenIssued(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "oauth_token.issued"
    client_id: UUID
    user_id: UUID
    token_id: UUID
    scopes: list[str]


class OAuthTokenRevoked(AuthEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "oauth_token.revoked"
    ends_access: ClassVar[bool] = True
    client_id: UUID
    user_id: UUID
    token_id: UUID


class OAuthClientRefused(AuthEvent, frozen=True, kw_only=True):
    """Somebody named a client and was refused: `reason` says why. At most once a minute for an
    address and reason."""

    name: ClassVar[str] = "oauth_client.refused"
    client_id: UUID
    user_id: UUID
    reason: str
