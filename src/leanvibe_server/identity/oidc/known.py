"""Endpoints that do not change, of providers whose discovery document cannot be had just now.

They let a sign-in begin while a network is slow; the keys are always asked for.

Source: the discovery documents and documentation of Google, Microsoft Entra ID and Okta.
"""

import re
from typing import Any

GOOGLE = "https://accounts.google.com"
_ENTRA = re.compile(r"(https://login\.microsoftonline\.com/[0-9a-f-]{36})/v2\.0")
_OKTA = re.compile(r"https://[a-z0-9-]+\.(okta|oktapreview|okta-emea|okta-gov)\.com")


def known_document(issuer: str) -> dict[str, Any] | None:
    """What the issuer's discovery document says for certain; None for one that is not known."""
    if issuer == GOOGLE:
        return _document(
            issuer,
            "https://accounts.google.com/o/oauth2/v2/auth",
            "https://oauth2.googleapis.com/token",
            "https://www.googleapis.com/oauth2/v3/certs",
            "https://openidconnect.googleapis.com/v1/userinfo",
        )
    if entra := _ENTRA.fullmatch(issuer):
        base = entra[1]
        return _document(
            issuer,
            f"{base}/oauth2/v2.0/authorize",
            f"{base}/oauth2/v2.0/token",
            f"{base}/discovery/v2.0/keys",
            "https://graph.microsoft.com/oidc/userinfo",
        )
    if _OKTA.fullmatch(issuer):
        base = f"{issuer}/oauth2/v1"
        return _document(
            issuer, f"{base}/authorize", f"{base}/token", f"{base}/keys", f"{base}/userinfo"
        )
    return None


def _document(issuer: str, authorize: str, token: str, keys: str, userinfo: str) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "authorization_endpoint": authorize,
        "token_endpoint": token,
        "jwks_uri": keys,
        "userinfo_endpoint": userinfo,
        "response_types_supported": ["code"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
    }
