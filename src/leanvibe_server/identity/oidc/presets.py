"""What an admin has to enter for each kind of provider, and what we know already.

Source: the providers' own documentation of OpenID Connect.
"""

import re
from dataclasses import dataclass
from typing import Any

from leanvibe_server.identity.federation.schemas import NewProvider
from leanvibe_server.identity.oidc.discovery import WELL_KNOWN, discovery_url_of, require_issuer
from leanvibe_server.kernel.errors import InvalidRequest, invalid_field
from leanvibe_server.kernel.house import House

GOOGLE_ISSUER = "https://accounts.google.com"
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Okta's own domains; a custom domain is entered as `issuer`.
_OKTA = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?\.(okta|oktapreview|okta-emea|okta-gov)\.com")


@dataclass(frozen=True)
class Target:
    """The issuer an admin means. `well_known`: it is one of ours, which needs no look at it."""

    issuer: str
    well_known: bool = False


def target_of(house: House, new: NewProvider) -> Target:
    """The issuer, from the preset's own field or from `issuer` or `discovery_url`.

    Raises: InvalidRequest: naming the field that is missing or wrong.
    """
    named = _named(house, new)
    if new.provider_type == "google":
        return _google(named)
    if new.provider_type == "microsoft":
        return _microsoft(new, named)
    if new.provider_type == "okta":
        return _okta(new, named)
    if named is None:
        raise _missing("issuer", "the address the provider calls its issuer")
    return Target(named)


def _named(house: House, new: NewProvider) -> str | None:
    issuer = None if new.issuer is None else require_issuer(house, new.issuer)
    if new.discovery_url is None:
        return issuer
    url = new.discovery_url
    if issuer is not None:
        if url != discovery_url_of(issuer):
            raise invalid_field(
                "discovery_url", f"must be {discovery_url_of(issuer)} for this issuer"
            )
        return issuer
    if not url.endswith(WELL_KNOWN):
        raise invalid_field("discovery_url", f"must end with {WELL_KNOWN}")
    return require_issuer(house, url.removesuffix(WELL_KNOWN), field_name="discovery_url")


def _google(named: str | None) -> Target:
    return Target(named or GOOGLE_ISSUER, well_known=named in (None, GOOGLE_ISSUER))


def _microsoft(new: NewProvider, named: str | None) -> Target:
    """One directory of Entra ID. With `common` or `organizations` anybody's directory could sign
    in, and its issuer is a template that no token matches to the letter."""
    if named is not None:
        return Target(named)
    tenant = _setting(new.settings, "tenant").lower()
    if not tenant:
        raise _missing("settings.tenant", "the directory (tenant) ID of your Entra ID")
    if not _GUID.fullmatch(tenant):
        raise invalid_field(
            "settings.tenant",
            "must be the directory (tenant) ID, 8-4-4-4-12 hexadecimal digits; `common` and "
            "`organizations` would let in people of any other company",
        )
    return Target(f"https://login.microsoftonline.com/{tenant}/v2.0", well_known=True)


def _okta(new: NewProvider, named: str | None) -> Target:
    if named is not None:
        return Target(named)
    domain = _setting(new.settings, "domain").lower().removeprefix("https://").rstrip("/")
    if not domain:
        raise _missing("settings.domain", "your Okta domain, such as acme.okta.com")
    if not _OKTA.fullmatch(domain):
        raise invalid_field(
            "settings.domain",
            "must be like acme.okta.com; give a custom domain as `issuer` with https://",
        )
    return Target(f"https://{domain}", well_known=True)


def _setting(settings: dict[str, Any], name: str) -> str:
    value = settings.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _missing(field: str, what: str) -> InvalidRequest:
    return invalid_field(field, "Field required", f"{field} is missing: {what}.")
