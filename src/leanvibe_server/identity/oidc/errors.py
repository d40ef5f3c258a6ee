"""The refusals of a sign-in by OpenID Connect: a fixed set of sentences.

What a provider or a visitor put into the address is never repeated: a page that did would say
whatever an attacker likes.
"""

from leanvibe_server.kernel.errors import InvalidRequest, ServiceUnavailable

# Error codes of the authorization response, and what we say to each.
# Source: RFC 6749, section 4.1.2.1; OpenID Connect Core 1.0, section 3.1.2.6.
_SAID_BY_PROVIDER = {
    "access_denied": "You did not agree at the identity provider, or it does not let you in here.",
    "login_required": "The identity provider asks you to sign in there first.",
    "interaction_required": "The identity provider needs an answer of yours. Try again.",
    "consent_required": "The identity provider asks for your consent. Try again.",
    "account_selection_required": "Choose an account at the identity provider. Try again.",
    "temporarily_unavailable": "The identity provider is busy. Try again in a moment.",
    "server_error": "The identity provider had a fault. Try again in a moment.",
}
_OTHERWISE = (
    "The identity provider refused the sign-in. Ask your administrator to test the provider."
)


class BadToken(Exception):
    """A token of a provider does not hold. The text is for the log of the tenant's admins."""


def said_by_provider(code: str) -> InvalidRequest:
    """The provider came back with an error instead of a code."""
    return InvalidRequest(
        _SAID_BY_PROVIDER.get(code, _OTHERWISE),
        details={"reason": code if code in _SAID_BY_PROVIDER else "refused_by_provider"},
    )


def stale() -> InvalidRequest:
    """The state is unknown, used, too old, or of another browser: which is not said."""
    return InvalidRequest(
        "This sign-in is out of date, was used already, or began in another browser. "
        "Please begin again.",
        details={"reason": "state_invalid", "field": "state"},
    )


def wrong_issuer() -> InvalidRequest:
    """The answer names another provider than the one that was asked. Source: RFC 9207."""
    return InvalidRequest(
        "The answer does not come from the identity provider that was asked. Please begin again.",
        details={"reason": "issuer_mismatch", "field": "iss"},
    )


def not_believed() -> InvalidRequest:
    """A code or a token that does not hold. The reason is in the tenant's log."""
    return InvalidRequest(
        "What the identity provider sent does not hold, so you were not signed in. Please begin "
        "again; if it stays, ask your administrator to test the provider.",
        details={"reason": "provider_answer_invalid"},
    )


def silent() -> ServiceUnavailable:
    """The provider cannot be reached."""
    return ServiceUnavailable(
        "The identity provider does not answer. Try again in a moment.",
        details={"reason": "provider_unreachable"},
        headers={"Retry-After": "10"},
    )
