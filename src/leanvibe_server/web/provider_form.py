"""The form of an identity provider, of whichever protocol: what it shows and what was typed."""

from collections.abc import Mapping, Sequence
from typing import Any

from leanvibe_server.identity.federation.mapping import NEVER_GIVEN
from leanvibe_server.identity.federation.models import SAML
from leanvibe_server.identity.federation.schemas import ProviderView, RoleRuleView
from leanvibe_server.identity.roles.service import list_roles
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.web.formats import words
from leanvibe_server.web.forms import Form, misfilled

LABELS = {
    "provider_name": "Name",
    "client_id": "Client ID",
    "client_secret": "Client secret",
    "issuer": "Issuer",
    "tenant": "Directory (tenant) ID",
    "domain": "Domain",
    "hosted_domain": "Workspace domain",
    "metadata_url": "Metadata address",
    "metadata_xml": "Metadata",
    "metadata_certificate": "Certificate of the metadata",
    "subject_attribute": "Attribute that tells people apart",
    "role_mapping": "Groups and roles",
    "default_role": "Role of new people",
    "newcomers": "Who gets an account",
    "token_endpoint_auth_method": "How we prove ourselves there",
}
OIDC_TEXTS = (
    "tenant",
    "domain",
    "hosted_domain",
    "groups_claim",
    "newcomers",
    "token_endpoint_auth_method",
)
SAML_TEXTS = (
    "metadata_url",
    "metadata_certificate",
    "name_id_format",
    "newcomers",
    "subject_attribute",
    "email_attribute",
    "name_attribute",
    "groups_attribute",
)
ATTRIBUTES = (
    ("email_attribute", "Attribute with the e-mail address"),
    ("name_attribute", "Attribute with the name"),
    ("groups_attribute", "Attribute with the groups"),
)
# Each with what holds where nothing was chosen.
SWITCHES = (
    ("refresh_metadata", "Read its metadata again by itself", True),
    ("idp_initiated", "Take sign-ins that begin at the provider", False),
    ("encryption_required", "Take encrypted assertions only", False),
    ("force_authn", "Have people prove themselves anew at each sign-in", False),
    ("trust_mfa", "Trust the provider's word on second factors", False),
    ("single_logout", "Signing out here signs out at the provider", True),
)
NEWCOMERS = (
    ("", "As is usual for this kind of provider"),
    ("anyone", "Everybody the provider signs in"),
    ("verified_domains", "People of your proved e-mail domains"),
    ("nobody", "Nobody: accounts are made here"),
)
NAME_FORMATS = (
    ("", "Leave it to the provider"),
    ("persistent", "Persistent"),
    ("email", "E-mail address"),
    ("unspecified", "Unspecified"),
)
CLIENT_METHODS = (
    ("", "By the secret, as the provider offers"),
    ("client_secret_basic", "Secret in a header (client_secret_basic)"),
    ("client_secret_post", "Secret in the form (client_secret_post)"),
    ("private_key_jwt", "A key of our own, without a secret (private_key_jwt)"),
    ("none", "Not at all: a public client (none)"),
)
FRAME = {
    "labels": LABELS,
    "attributes": ATTRIBUTES,
    "switches": SWITCHES,
    "name_formats": NAME_FORMATS,
    "newcomers": NEWCOMERS,
    "client_methods": CLIENT_METHODS,
}


async def role_choices(scope: Scope, *kept: str) -> list[tuple[str, str]]:
    """The roles this admin may have a provider give, the tenant's own among them, and those it
    gives already."""
    offered = [
        (role.name, words(role.name) if role.built_in else role.name)
        for role in (await list_roles(scope)).data
        if role.name in kept or (role.assignable and role.name not in NEVER_GIVEN)
    ]
    known = {name for name, _ in offered}
    return [*offered, *((name, name) for name in kept if name not in known)]


def typed(form: Form) -> dict[str, Any]:
    """What was typed, as the form shows it again."""
    names = ("provider_name", "client_id", "issuer", "role_mapping", "metadata_xml")
    return {
        **{name: form.text(name) for name in (*names, *OIDC_TEXTS, *SAML_TEXTS)},
        **{name: form.checked(name) for name, _, _ in SWITCHES},
        "default_role": form.text("default_role") or "developer",
    }


def blank(kind: str, *, name: str) -> dict[str, Any]:
    """The form of a provider to add."""
    usual = {switch: on for switch, _, on in SWITCHES}
    return typed(Form()) | usual | {"provider_name": name, "provider_type": kind}


def shown(view: ProviderView) -> dict[str, Any]:
    """The form of a provider there is."""
    kept = view.settings
    return {
        "provider_name": view.provider_name,
        "client_id": view.client_id or "",
        "issuer": view.issuer,
        "default_role": view.default_role,
        "role_mapping": lines(view.role_mapping),
        "metadata_xml": "",
        **{name: str(kept.get(name) or "") for name in (*OIDC_TEXTS, *SAML_TEXTS)},
        **{name: bool(kept.get(name, on)) for name, _, on in SWITCHES},
    }


def settings(form: Form, kind: str) -> dict[str, Any]:
    """The protocol's own settings, None for what is left as usual."""
    if kind != SAML:
        texts = {name: form.optional(name) for name in OIDC_TEXTS if name in form.values}
        return texts | {"trust_mfa": True if form.checked("trust_mfa") else None}
    found: dict[str, Any] = {name: form.optional(name) for name in SAML_TEXTS}
    for name, _, usual in SWITCHES:
        chosen = form.checked(name)
        found[name] = None if chosen == usual else chosen
    document = form.optional("metadata_xml")
    return found if document is None else found | {"metadata_xml": document}


def changed_settings(view: ProviderView, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """What differs from what is kept; None for nothing, so that nobody is asked for nothing."""
    found = {name: value for name, value in wanted.items() if value != view.settings.get(name)}
    return found or None


def rules(form: Form) -> list[dict[str, str]]:
    """Lines such as `engineering-leads = manager`, or `department: it = admin`.

    A colon parts attribute and value where a blank follows, as names of either may hold colons.
    """
    found = []
    for line in filter(None, map(str.strip, form.text("role_mapping").split("\n"))):
        left, equals, role = line.rpartition("=")
        claim, colon, value = left.partition(": ")
        if not equals:
            raise misfilled("role_mapping", f"{line!r} is not like: group = role")
        named = (claim, value) if colon else ("groups", left)
        found.append({"claim": named[0].strip(), "value": named[1].strip(), "role": role.strip()})
    return found


def lines(kept: Sequence[RoleRuleView]) -> str:
    """Rules as `rules` reads them."""
    return "\n".join(
        f"{rule.value} = {rule.role}"
        if rule.claim == "groups" and ": " not in rule.value
        else f"{rule.claim}: {rule.value} = {rule.role}"
        for rule in kept
    )
