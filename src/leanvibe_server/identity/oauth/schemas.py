"""Wire shapes of the token endpoint."""

from pydantic import BaseModel, Field


class AccessToken(BaseModel):
    """An access token of a client. Source: RFC 6749, section 5.1."""

    access_token: str
    token_type: str
    expires_in: int = Field(description="Seconds")
    scope: str = Field(description="What the token may do, apart by blanks")


class Introspection(BaseModel):
    """What is known of a token; of one that does not hold, that alone.

    Source: RFC 7662, section 2.2.
    """

    active: bool
    scope: str | None = None
    client_id: str | None = None
    username: str | None = None
    token_type: str | None = None
    sub: str | None = None
    tid: str | None = None
    aud: str | None = None
    iss: str | None = None
    exp: int | None = None
    iat: int | None = None


class ServerMetadata(BaseModel):
    """What the authorization server offers. Source: RFC 8414, section 2."""

    issuer: str
    token_endpoint: str
    revocation_endpoint: str
    introspection_endpoint: str
    jwks_uri: str
    grant_types_supported: list[str]
    response_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    revocation_endpoint_auth_methods_supported: list[str]
    introspection_endpoint_auth_methods_supported: list[str]
    scopes_supported: list[str]
    service_documentation: str
