"""The settings of a provider that speaks OpenID Connect."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError

from leanvibe_server.identity.federation.models import (
    ANYONE,
    VERIFIED_DOMAINS,
    Newcomers,
    SsoProvider,
)
from leanvibe_server.identity.oidc.discovery import require_web_address
from leanvibe_server.kernel.errors import InvalidRequest
from leanvibe_server.kernel.house import House

Scope = Annotated[str, Field(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]{1,200}$")]
Name = Annotated[str, Field(min_length=1, max_length=300)]
DEFAULT_SCOPES = ["openid", "email", "profile"]
# Here anybody gets an account, so their word alone says nothing of belonging to an organisation.
PUBLIC_ISSUERS = frozenset(
    {
        "https://accounts.google.com",
        "https://appleid.apple.com",
        "https://gitlab.com",
        "https://id.twitch.tv/oauth2",
        "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
        "https://login.yahoo.com",
        "https://slack.com",
        "https://www.facebook.com",
        "https://www.linkedin.com/oauth",
        "https://www.paypal.com",
    }
)
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class OidcSettings(BaseModel):
    """What an admin may set beyond client and issuer."""

    tenant: Name | None = Field(None, description="Directory id of Microsoft Entra ID")
    domain: Name | None = Field(None, description="Okta domain")
    hosted_domain: Name | None = Field(None, description="Google Workspace domain to insist on")
    scopes: list[Scope] = Field(DEFAULT_SCOPES, min_length=1, max_length=30)
    groups_claim: Name = "groups"
    redirect_uris: list[Annotated[str, Field(max_length=2048)]] = Field([], max_length=20)
    token_endpoint_auth_method: (
        Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"] | None
    ) = None
    newcomers: Newcomers | None = Field(
        None, description="Who without an account gets one: anyone, verified_domains or nobody"
    )
    trust_mfa: bool = Field(False, description="Whether the provider's second factor counts here")


def settings_of(provider: SsoProvider) -> OidcSettings:
    """The settings a provider's row holds."""
    return OidcSettings.model_validate(provider.settings)


def newcomers_of(provider: SsoProvider, settings: OidcSettings) -> Newcomers:
    """Who gets an account by the provider's word: as the admin chose. Otherwise anyone, but where
    the whole world has accounts, those of proved domains or of the one Workspace insisted on."""
    if settings.newcomers is not None:
        return settings.newcomers
    public = provider.issuer in PUBLIC_ISSUERS and settings.hosted_domain is None
    return VERIFIED_DOMAINS if public else ANYONE


def read_settings(house: House, sent: dict[str, Any]) -> OidcSettings:
    """The settings an admin sent.

    Raises: InvalidRequest: naming each that does not fit or is unknown, as a misspelt one would
        restrict nothing.
    """
    if unknown := sorted(set(sent) - set(OidcSettings.model_fields)):
        findings = [f"settings.{name}: there is no such setting" for name in unknown]
        raise InvalidRequest(
            f"The settings do not fit. {findings[0]}.",
            details={"field": f"settings.{unknown[0]}", "validation_errors": findings},
        )
    try:
        settings = OidcSettings.model_validate(sent)
    except ValidationError as error:
        findings = [
            f"settings.{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
            for item in error.errors()
        ]
        raise InvalidRequest(
            f"The settings do not fit. {findings[0]}",
            details={"field": findings[0].partition(":")[0], "validation_errors": findings},
        ) from None
    if "openid" not in settings.scopes:
        settings = settings.model_copy(update={"scopes": ["openid", *settings.scopes]})
    for uri in settings.redirect_uris:
        _check_redirect_uri(house, uri)
    return settings


def _check_redirect_uri(house: House, uri: str) -> None:
    """https, or http on the program's own machine. Source: RFC 8252, section 7.3."""
    if uri.startswith("http://") and urlsplit(uri).hostname in LOOPBACK and "#" not in uri:
        return
    require_web_address(house, uri, field_name="settings.redirect_uris")


def kept(settings: OidcSettings) -> dict[str, Any]:
    """The settings as the row holds them: what was chosen, without what goes without saying."""
    return settings.model_dump(exclude_none=True, exclude_defaults=True)
