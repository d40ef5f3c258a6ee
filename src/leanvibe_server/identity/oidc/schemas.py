"""Wire shapes of the end of a sign-in by OpenID Connect."""

from pydantic import BaseModel, Field


class SsoLogin(BaseModel):
    """The code a provider sent back with the state of the sign-in it belongs to."""

    provider: str = Field(max_length=50, examples=["google"])
    tenant_id: str | None = Field(None, max_length=100, description="Id or slug of the tenant")
    authorization_code: str = Field(max_length=4096)
    redirect_uri: str | None = Field(None, max_length=2048)
    state: str | None = Field(None, max_length=4096, description="As GET /auth/sso/… gave it")
    iss: str | None = Field(None, max_length=2048, description="Of the callback, where it is sent")


class LinkFinish(BaseModel):
    """The code a provider sent back to link an account, with its state."""

    auth_code: str = Field(max_length=4096)
    state: str = Field(max_length=4096)
    redirect_uri: str | None = Field(None, max_length=2048)
    iss: str | None = Field(None, max_length=2048)
