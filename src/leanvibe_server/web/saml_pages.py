"""Single sign-on by SAML: what to tell the identity provider, and which ones are trusted."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from fastapi import Response

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.identity.federation import service as providers
from leanvibe_server.identity.federation.models import SAML, SsoProvider
from leanvibe_server.identity.federation.schemas import NewProvider, ProviderChange
from leanvibe_server.identity.saml import keys, service
from leanvibe_server.identity.saml.providers import certificates_of, settings_of
from leanvibe_server.kernel.access import Permission, Role
from leanvibe_server.kernel.http import PathId
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.web.forms import Form, fill
from leanvibe_server.web.page import ErrandPage, ScopedPage, errand_page, page
from leanvibe_server.web.routes import PageRouter

router = PageRouter()

HERE = "/settings/saml"
READ = page(Permission.SECURITY_READ)
MANAGE = page(Permission.SECURITY_MANAGE, fresh=True)
OUTSIDE = errand_page(Permission.SECURITY_MANAGE, fresh=True)

SWITCHES = (
    ("idp_initiated", "Take sign-ins that begin at the provider"),
    ("encryption_required", "Take encrypted assertions only"),
    ("force_authn", "Have people prove themselves anew at each sign-in"),
    ("trust_mfa", "Trust the provider's word on second factors"),
)
TEXTS = (
    "metadata_url",
    "metadata_xml",
    "metadata_certificate",
    "email_attribute",
    "groups_attribute",
)
NAME_FORMATS = (("", "Leave it to the provider"), ("persistent", "Persistent"), ("email", "E-mail"))
# Ownership is handed over by an owner, never by a provider's word.
GIVEN = (Role.GUEST, Role.VIEWER, Role.DEVELOPER, Role.MANAGER, Role.ADMIN)
ROLES = tuple((role.value, role.value.capitalize()) for role in GIVEN)
MAX_SHOWN = 50


@dataclass(frozen=True)
class CertificateLine:
    """A certificate of a provider, by its end."""

    fingerprint: str
    ends_at: datetime
    expired: bool


@dataclass(frozen=True)
class ProviderLine:
    """A provider as the page shows it."""

    id: UUID
    name: str
    slug: str
    issuer: str
    state: str
    default_role: str
    rules: list[str]
    switches: list[str]
    certificates: list[CertificateLine]

    @classmethod
    def of(cls, provider: SsoProvider, now: datetime) -> "ProviderLine":
        settings = settings_of(provider)
        return cls(
            id=provider.id,
            name=provider.name,
            slug=provider.slug,
            issuer=provider.issuer,
            state="active" if provider.enabled else "disabled",
            default_role=provider.default_role,
            rules=[f"{rule.claim}={rule.value}: {rule.role}" for rule in provider.rules],
            switches=[label for name, label in SWITCHES if getattr(settings, name)],
            certificates=[
                CertificateLine(
                    certificate.fingerprint(SHA256()).hex(":").upper()[:23],
                    certificate.not_valid_after_utc,
                    certificate.not_valid_after_utc <= now,
                )
                for certificate in certificates_of(provider)
            ],
        )


@router.get(HERE)
async def show_saml(opened: Annotated[ScopedPage, READ]) -> Response:
    """Our side to copy, our certificates, and the providers."""
    return opened.show(
        "settings/saml.html", **await _frame(opened.scope), values=_typed(Form()), checks=None
    )


@router.post(f"{HERE}/providers")
async def add_provider(opened: Annotated[ErrandPage, OUTSIDE]) -> Response:
    """Add a provider by its metadata."""
    typed = _typed(opened.form)
    async with opened.errand.scope() as scope:
        frame = await _frame(scope)
    with opened.refusing("settings/saml.html", **frame, values=typed, checks=None):
        await providers.create(opened.errand, fill(NewProvider, _new(typed)))
    return opened.go(HERE, toast="saml-provider-added")


@router.post(f"{HERE}/providers/{{provider_id}}/metadata")
async def import_again(provider_id: PathId, opened: Annotated[ErrandPage, OUTSIDE]) -> Response:
    """Import a provider's metadata anew: from the text sent, or from its address."""
    text = opened.form.optional("metadata_xml")
    async with opened.errand.scope() as scope:
        frame = await _frame(scope)
    settings = {} if text is None else {"metadata_xml": text}
    with opened.refusing("settings/saml.html", **frame, values=_typed(Form()), checks=None):
        change = fill(ProviderChange, {"settings": settings})
        await providers.change(opened.errand, provider_id, change)
    return opened.go(HERE, toast="saml-provider-changed")


@router.post(f"{HERE}/providers/{{provider_id}}/test")
async def test_provider(provider_id: PathId, opened: Annotated[ErrandPage, OUTSIDE]) -> Response:
    """Look at a provider's certificates and metadata."""
    found = await providers.test(opened.errand, provider_id)
    async with opened.errand.scope() as scope:
        frame = await _frame(scope)
    return opened.show("settings/saml.html", **frame, values=_typed(Form()), checks=found.checks)


@router.post(f"{HERE}/providers/{{provider_id}}/enable")
async def enable(provider_id: PathId, opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Let people sign in by it."""
    await providers.enable(opened.scope, provider_id)
    return opened.go(HERE, toast="saml-provider-changed")


@router.post(f"{HERE}/providers/{{provider_id}}/disable")
async def disable(provider_id: PathId, opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Let nobody sign in by it."""
    await providers.disable(opened.scope, provider_id)
    return opened.go(HERE, toast="saml-provider-changed")


@router.post(f"{HERE}/providers/{{provider_id}}/delete")
async def delete(provider_id: PathId, opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Remove it."""
    await providers.delete(opened.scope, provider_id)
    return opened.go(HERE, toast="saml-provider-removed")


@router.post(f"{HERE}/keys")
async def prepare_key(opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Prepare the next certificate."""
    await keys.prepare_next(opened.scope)
    return opened.go(HERE, toast="saml-key-prepared")


@router.post(f"{HERE}/keys/{{saml_key_id}}/activate")
async def activate_key(saml_key_id: PathId, opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Put the next certificate to use."""
    await keys.activate(opened.scope, saml_key_id)
    return opened.go(HERE, toast="saml-key-activated")


@router.post(f"{HERE}/keys/{{saml_key_id}}/withdraw")
async def withdraw_key(saml_key_id: PathId, opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Take the next certificate back."""
    await keys.withdraw(opened.scope, saml_key_id)
    return opened.go(HERE, toast="saml-key-withdrawn")


async def _frame(scope: Scope) -> dict[str, Any]:
    included = "saml" in plan_of(scope.plan).features
    listed = await providers.list_providers(scope, PageRequest(limit=MAX_SHOWN, after=None))
    return {
        "included": included,
        "ours": await service.describe(scope) if included else None,
        "providers": [ProviderLine.of(row, scope.now) for row in listed if row.protocol == SAML],
        "may_change": Permission.SECURITY_MANAGE in scope.permissions,
        "roles": ROLES,
        "name_formats": NAME_FORMATS,
        "switches": SWITCHES,
    }


def _typed(form: Form) -> dict[str, Any]:
    return {
        "provider_name": form.text("provider_name"),
        "default_role": form.text("default_role") or "developer",
        "name_id_format": form.text("name_id_format"),
        "role_rules": form.text("role_rules"),
        **{name: form.text(name) for name in TEXTS},
        **{name: form.checked(name) for name, _ in SWITCHES},
    }


def _new(typed: dict[str, Any]) -> dict[str, Any]:
    """What was typed as the service takes it."""
    settings = {name: typed[name] for name in (*TEXTS, "name_id_format") if typed[name]}
    settings |= {name: True for name, _ in SWITCHES if typed[name]}
    return {
        "provider_type": SAML,
        "provider_name": typed["provider_name"],
        "default_role": typed["default_role"],
        "role_mapping": [_rule(line) for line in typed["role_rules"].splitlines() if line.strip()],
        "settings": settings,
    }


def _rule(line: str) -> dict[str, str]:
    """A line such as `groups=staff: manager`. What is left out is empty, and so refused."""
    left, _, role = line.rpartition(":")
    claim, _, value = left.partition("=")
    return {"claim": claim.strip(), "value": value.strip(), "role": role.strip()}
