"""From claims to an assertion: which words of a provider count, and for what."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from leanvibe_server.identity.addresses import MAX_LENGTH
from leanvibe_server.identity.federation.models import SsoProvider
from leanvibe_server.identity.federation.people import Assertion
from leanvibe_server.identity.oidc.errors import BadToken
from leanvibe_server.identity.oidc.settings import OidcSettings, newcomers_of

MAX_VALUES = 2_000
MAX_VALUE = 500
# Several factors, in the word of RFC 8176; single methods may stand alone.
_SECOND_FACTORS = frozenset({"mfa"})


def assertion_of(
    provider: SsoProvider,
    settings: OidcSettings,
    signed: Mapping[str, Any],
    told: Mapping[str, Any],
    *,
    authenticated_at: datetime | None = None,
) -> Assertion:
    """What the provider says of the person. `signed` are the ID token's claims, `told` those of
    UserInfo, which count only where the ID token is silent.

    Raises: BadToken: the person is not of the Google Workspace that is insisted on.
    """
    if settings.hosted_domain and signed.get("hd") != settings.hosted_domain.lower():
        raise BadToken("hd is not the hosted domain")
    email, verified = _address(provider, signed, told)
    merged = {**told, **signed}
    name = merged.get("name")
    session = signed.get("sid")
    return Assertion(
        provider=provider,
        subject=str(signed["sub"]),
        email=email,
        email_verified=verified,
        name=name if isinstance(name, str) else None,
        groups=values_of(merged, settings.groups_claim),
        attributes={rule.claim: values_of(merged, rule.claim) for rule in provider.rules},
        remote_session=session if isinstance(session, str) and session else None,
        newcomers=newcomers_of(provider, settings),
        authenticated_at=authenticated_at,
        amr=("mfa",) if settings.trust_mfa and _second_factor(signed) else (),
    )


def values_of(claims: Mapping[str, Any], name: str) -> Sequence[str]:
    """The texts under a claim; a name with dots also leads into objects, as in
    `realm_access.roles`."""
    found: Any = claims.get(name)
    if found is None and "." in name:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    listed = found if isinstance(found, list) else [found]
    return tuple(v for v in listed[:MAX_VALUES] if isinstance(v, str) and len(v) <= MAX_VALUE)


def _address(
    provider: SsoProvider, signed: Mapping[str, Any], told: Mapping[str, Any]
) -> tuple[str | None, bool]:
    """The e-mail with what was said about it in the same breath.

    Only the boolean true counts as verified. Entra ID says so by `xms_edov` for addresses in
    domains its customer has proved; its `preferred_username` is an address that says nothing.
    """
    for claims in (signed, told):
        email = claims.get("email")
        if isinstance(email, str) and 0 < len(email) <= MAX_LENGTH:
            proved = claims.get("email_verified") is True
            if provider.type == "microsoft" and "email_verified" not in claims:
                proved = claims.get("xms_edov") is True
            return email, proved
    name = signed.get("preferred_username")
    if provider.type == "microsoft" and isinstance(name, str) and "@" in name[:MAX_LENGTH]:
        return name, False
    return None, False


def _second_factor(signed: Mapping[str, Any]) -> bool:
    return bool(_SECOND_FACTORS.intersection(values_of(signed, "amr")))
