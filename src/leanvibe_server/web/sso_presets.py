"""What an admin enters for each kind of identity provider, and where it stands there."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """One kind of provider: the fields its form has, and the steps at the provider."""

    type: str
    label: str
    fields: tuple[str, ...]
    steps: tuple[str, ...]


_CLIENT = ("client_id", "client_secret")
_METHOD = ("token_endpoint_auth_method",)
PRESETS = (
    Preset(
        "google",
        "Google",
        (*_CLIENT, "hosted_domain"),
        (
            "In the Google Cloud console open APIs & Services → Credentials.",
            "Create an OAuth client ID of the type Web application.",
            "Add the redirect URI below under Authorised redirect URIs.",
            "Copy client ID and client secret into this form.",
        ),
    ),
    Preset(
        "microsoft",
        "Microsoft Entra ID",
        ("tenant", *_CLIENT, *_METHOD, "issuer"),
        (
            "In the Entra admin centre open App registrations → New registration, for accounts "
            "in this organisational directory only.",
            "Add the redirect URI below with the platform Web.",
            "Copy Application (client) ID and Directory (tenant) ID from the overview.",
            "Under Certificates & secrets make a client secret and copy its value.",
            "Under Token configuration add the optional ID claims email and xms_edov.",
        ),
    ),
    Preset(
        "okta",
        "Okta",
        ("domain", *_CLIENT, *_METHOD, "issuer"),
        (
            "In the Okta admin console open Applications → Create App Integration: OIDC, Web "
            "Application.",
            "Add the redirect URI below under Sign-in redirect URIs, and assign people.",
            "Copy client ID and client secret; the domain is that of your Okta, without admin.",
        ),
    ),
    Preset(
        "oidc",
        "OpenID Connect",
        ("issuer", *_CLIENT, *_METHOD, "groups_claim"),
        (
            "Register this application at your provider as a confidential web client with the "
            "authorization code flow.",
            "Enter the redirect URI below to the letter.",
            "The issuer is the address before /.well-known/openid-configuration.",
        ),
    ),
    Preset(
        "saml",
        "SAML 2.0",
        (),
        (
            "Give your provider the metadata of this organisation, by the address below.",
            "Have it sign the assertion, and send a name that stays: persistent, or the e-mail "
            "address.",
            "Enter the address of its own metadata here, or paste the metadata itself.",
        ),
    ),
)


def preset_of(kind: str) -> Preset:
    """The preset of that type; any issuer for a type nobody knows."""
    return next((preset for preset in PRESETS if preset.type == kind), PRESETS[3])
