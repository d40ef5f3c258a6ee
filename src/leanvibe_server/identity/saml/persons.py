"""From a checked statement to the person it speaks of.

Source: RFC 8176 for the methods; SAML 2.0 Authentication Context, section 3.
"""

from collections.abc import Mapping, Sequence

from leanvibe_server.identity.federation.models import ANYONE, SsoProvider
from leanvibe_server.identity.federation.people import Assertion
from leanvibe_server.identity.saml.assertions import Statement
from leanvibe_server.identity.saml.names import EMAIL_FORMAT, TRANSIENT
from leanvibe_server.identity.saml.providers import SamlSettings, settings_of
from leanvibe_server.identity.saml.refusals import Refused
from leanvibe_server.kernel.crypto import hash_token

_CLAIMS = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims"
EMAILS = (
    "email", "mail", "emailAddress", "urn:oid:0.9.2342.19200300.100.1.3",
    "urn:oid:1.2.840.113549.1.9.1", f"{_CLAIMS}/emailaddress",
)  # fmt: skip
NAMES = (
    "displayName", "name", "cn", "urn:oid:2.16.840.1.113730.3.1.241", "urn:oid:2.5.4.3",
    "http://schemas.microsoft.com/identity/claims/displayname",
)  # fmt: skip
GROUPS = (
    "groups", "group", "memberOf", "urn:oid:1.3.6.1.4.1.5923.1.5.1.1",
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups",
    "http://schemas.xmlsoap.org/claims/Group",
)  # fmt: skip
_CLASSES = "urn:oasis:names:tc:SAML:2.0:ac:classes:"
# Contexts that vouch for two factors; believed where the admin trusts the provider's word on it.
TWO_FACTORS = frozenset(
    {
        "https://refeds.org/profile/mfa",
        "http://schemas.microsoft.com/claims/multipleauthn",
        f"{_CLASSES}MobileTwoFactorContract",
        f"{_CLASSES}SmartcardPKI",
    }
)
PASSWORDS = frozenset({f"{_CLASSES}Password", f"{_CLASSES}PasswordProtectedTransport"})


def person_of(provider: SsoProvider, statement: Statement) -> Assertion:
    """Whom the provider vouches for.

    Raises: Refused: the provider gives the person another name at each sign-in.
    """
    settings = settings_of(provider)
    return Assertion(
        provider=provider,
        subject=_subject(settings, statement),
        email=_email(settings, statement),
        # The provider is the tenant's own; its word counts for domains the tenant has proved.
        email_verified=True,
        name=_first(statement.attributes, settings.name_attribute, NAMES),
        groups=_groups(settings, statement),
        attributes=statement.attributes,
        remote_session=remote_session_of(statement),
        not_after=statement.session_ends_at,
        amr=_methods(settings, statement.context),
        newcomers=settings.newcomers or ANYONE,
        authenticated_at=statement.authenticated_at,
    )


def remote_session_of(statement: Statement) -> str:
    """Our name for the provider's session of this very person. Providers may use one index for
    many people, or none at all."""
    parts = (statement.name_id.value, statement.session_index or statement.id)
    return hash_token("\0".join(parts)).hex()


def _subject(settings: SamlSettings, statement: Statement) -> str:
    if settings.subject_attribute is not None:
        found = statement.attributes.get(settings.subject_attribute, ())
        if len(found) != 1:
            raise Refused(f"the assertion has not one value of {settings.subject_attribute!r}")
        return found[0]
    if statement.name_id.format == TRANSIENT:
        raise Refused(
            "the provider sends a transient NameID: have it send a persistent one, or set "
            "settings.subject_attribute to an attribute that stays"
        )
    return statement.name_id.value


def _email(settings: SamlSettings, statement: Statement) -> str | None:
    named = _first(statement.attributes, settings.email_attribute, EMAILS)
    if named is not None or settings.email_attribute is not None:
        return named
    name_id = statement.name_id
    return name_id.value if name_id.format == EMAIL_FORMAT else None


def _groups(settings: SamlSettings, statement: Statement) -> Sequence[str]:
    names = GROUPS if settings.groups_attribute is None else (settings.groups_attribute,)
    return [value for name in names for value in statement.attributes.get(name, ())]


def _methods(settings: SamlSettings, context: str | None) -> Sequence[str]:
    if context in TWO_FACTORS:
        return ("mfa",) if settings.trust_mfa else ()
    return ("pwd",) if context in PASSWORDS else ()


def _first(
    attributes: Mapping[str, Sequence[str]], chosen: str | None, usual: Sequence[str]
) -> str | None:
    names = usual if chosen is None else (chosen,)
    return next((values[0] for name in names if (values := attributes.get(name))), None)
