"""Wire shapes of the end of a sign-in by OpenID Connect."""

from pydantic import BaseModel, Field

from leanvibe_server.identity.schemas import Issuer, RedirectUri


class SsoLogin(BaseModel):
    """The code a provider sent back with the state of the sign-in it belongs to."""

    provider: str = Field(max_length=50, examples=["google"])
    tenant_id: str | None = Field(None, max_length=100, description="Id or slug of the tenant")
    authorization_code: str = Field(max_length=4096, description="The `code` of the callback")
    redirect_uri: RedirectUri = None
    state: str | None = Field(None, max_length=4096, description="As GET /auth/sso/… gave it")
    iss: Issuer = None


class LinkFinish(BaseModel):
    """The code a provider sent back to link an account, with its state."""

    auth_code: str = Field(max_length=4096, description="The `code` of the callback")
    state: str = Field(max_length=4096, description="The `state` of the callback")
    redirect_uri: RedirectUri = None
    iss: Issuer = None
