"""Pages of identity providers and domains, and of one's own linked accounts."""

from typing import Annotated, Any

from fastapi import Response

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.identity.domains import service as domains
from leanvibe_server.identity.domains.schemas import DomainView, NewDomain
from leanvibe_server.identity.federation import linking, service
from leanvibe_server.identity.federation.models import OIDC
from leanvibe_server.identity.federation.schemas import (
    NewProvider,
    ProviderChange,
    RoleRuleView,
)
from leanvibe_server.identity.oidc.logout import logout_uri
from leanvibe_server.identity.oidc.protocol import callback_of
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import InvalidRequest
from leanvibe_server.kernel.http import PathId
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.web.forms import Form, fill
from leanvibe_server.web.page import ErrandPage, Page, ScopedPage, errand_page, page
from leanvibe_server.web.routes import PageRouter
from leanvibe_server.web.sso_presets import PRESETS, preset_of

router = PageRouter()

READ = page(Permission.SECURITY_READ)
MANAGE = page(Permission.SECURITY_MANAGE, fresh=True)
MANAGE_OUTSIDE = errand_page(Permission.SECURITY_MANAGE, fresh=True)
SELF = page(Permission.SELF)
SELF_FRESH = page(Permission.SELF, fresh=True)

ALL = PageRequest(limit=100)
ROLES = ("admin", "manager", "developer", "viewer", "guest")
SETTINGS = ("tenant", "domain", "hosted_domain", "groups_claim", "metadata_url", "metadata_xml")
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
    "role_mapping": "Groups and roles",
    "default_role": "Role of new people",
}


@router.get("/settings/sso")
async def show_sso(opened: Annotated[ScopedPage, READ]) -> Response:
    """The providers and domains of the organisation."""
    return opened.show("settings/sso.html", **await _overview(opened.scope), values={"domain": ""})


@router.get("/settings/sso/new")
async def new_provider(opened: Annotated[ScopedPage, READ]) -> Response:
    """The form of a new provider, with what to enter where for each kind."""
    kind = opened.request.query_params.get("type", "")
    values = {"default_role": "developer", "provider_name": preset_of(kind).label}
    return opened.show("settings/sso_provider.html", **_form(opened, kind), values=values)


@router.post("/settings/sso/new")
async def add_provider(opened: Annotated[ErrandPage, MANAGE_OUTSIDE]) -> Response:
    """Add a provider; its metadata is read at once."""
    form, kind = opened.form, opened.form.text("provider_type")
    with opened.refusing("settings/sso_provider.html", **_form(opened, kind), values=_typed(form)):
        entered = {
            "provider_type": kind,
            "provider_name": form.text("provider_name"),
            "client_id": form.optional("client_id"),
            "client_secret": form.secret("client_secret") or None,
            "issuer": form.optional("issuer"),
            "settings": _settings(form),
            "default_role": form.text("default_role") or "developer",
            "role_mapping": _rules(form),
        }
        provider = await service.create(opened.errand, fill(NewProvider, entered))
    return opened.go(f"/settings/sso/{provider.id}", toast="provider-added")


@router.get("/settings/sso/{provider_id}")
async def show_provider(provider_id: PathId, opened: Annotated[ScopedPage, READ]) -> Response:
    """One provider, with the addresses to enter there."""
    frame = await _provider(opened.scope, provider_id)
    return opened.show("settings/sso_provider.html", **_form(opened, frame["kind"]) | frame)


@router.post("/settings/sso/{provider_id}")
async def save_provider(
    provider_id: PathId, opened: Annotated[ErrandPage, MANAGE_OUTSIDE]
) -> Response:
    """Change a provider; a secret that is left empty stays."""
    async with opened.errand.scope() as scope:
        frame = await _provider(scope, provider_id)
    form = opened.form
    shown = _form(opened, frame["kind"]) | frame | {"values": _typed(form)}
    with opened.refusing("settings/sso_provider.html", **shown):
        entered = {
            "provider_name": form.optional("provider_name"),
            "client_id": form.optional("client_id"),
            "client_secret": form.secret("client_secret") or None,
            "default_role": form.optional("default_role"),
            "role_mapping": _rules(form),
            "settings": {n: form.optional(n) for n in SETTINGS if n in form.values} or None,
        }
        await service.change(opened.errand, provider_id, fill(ProviderChange, entered))
    return opened.go(f"/settings/sso/{provider_id}", toast="provider-saved")


@router.post("/settings/sso/{provider_id}/test")
async def test_provider(
    provider_id: PathId, opened: Annotated[ErrandPage, MANAGE_OUTSIDE]
) -> Response:
    """Show what a look at the provider finds."""
    tested = await service.test(opened.errand, provider_id)
    async with opened.errand.scope() as scope:
        frame = await _provider(scope, provider_id)
    shown = _form(opened, frame["kind"]) | frame | {"tested": tested}
    return opened.show("settings/sso_provider.html", **shown)


@router.post("/settings/sso/{provider_id}/enable")
async def enable_provider(provider_id: PathId, opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Let people sign in by it."""
    await service.enable(opened.scope, provider_id)
    return opened.go(f"/settings/sso/{provider_id}", toast="provider-enabled")


@router.post("/settings/sso/{provider_id}/disable")
async def disable_provider(provider_id: PathId, opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Let nobody sign in by it."""
    await service.disable(opened.scope, provider_id)
    return opened.go(f"/settings/sso/{provider_id}", toast="provider-disabled")


@router.post("/settings/sso/{provider_id}/delete")
async def delete_provider(provider_id: PathId, opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Remove it."""
    await service.delete(opened.scope, provider_id)
    return opened.go("/settings/sso", toast="provider-deleted")


@router.post("/settings/sso-domains")
async def add_domain(opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Note a domain to prove."""
    typed = {"domain": opened.form.text("domain")}
    with opened.refusing("settings/sso.html", **await _overview(opened.scope), values=typed):
        await domains.add(opened.scope, fill(NewDomain, typed).domain)
    return opened.go("/settings/sso", toast="domain-added")


@router.post("/settings/sso-domains/{domain_id}/verify")
async def verify_domain(
    domain_id: PathId, opened: Annotated[ErrandPage, MANAGE_OUTSIDE]
) -> Response:
    """Look for the record."""
    async with opened.errand.scope() as scope:
        frame = await _overview(scope)
    with opened.refusing("settings/sso.html", **frame, values={"domain": ""}):
        await domains.verify(opened.errand, domain_id)
    return opened.go("/settings/sso", toast="domain-verified")


@router.post("/settings/sso-domains/{domain_id}/delete")
async def delete_domain(domain_id: PathId, opened: Annotated[ScopedPage, MANAGE]) -> Response:
    """Call it ours no more."""
    await domains.delete(opened.scope, domain_id)
    return opened.go("/settings/sso", toast="domain-deleted")


@router.get("/account/links")
async def show_links(opened: Annotated[ScopedPage, SELF]) -> Response:
    """The accounts at providers by which one may sign in."""
    linked = (await linking.list_own(opened.scope)).data
    known = {identity.provider_id for identity in linked}
    others = [p for p in await service.list_enabled(opened.scope) if p.id not in known]
    return opened.show("settings/links.html", linked=linked, others=others)


@router.post("/account/links/{identity_id}/unlink")
async def unlink(identity_id: PathId, opened: Annotated[ScopedPage, SELF_FRESH]) -> Response:
    """Sign in by it no more."""
    await linking.unlink_own(opened.scope, identity_id)
    return opened.go("/account/links", toast="account-unlinked")


async def _overview(scope: Scope) -> dict[str, Any]:
    found = await service.list_providers(scope, ALL)
    return {
        "providers": [service.view(scope.house, provider) for provider in found],
        "domains": [DomainView.of(domain) for domain in await domains.list_domains(scope, ALL)],
        "presets": PRESETS,
        "has_oidc": OIDC in plan_of(scope.plan).features,
    }


async def _provider(scope: Scope, provider_id: PathId) -> dict[str, Any]:
    provider = await service.require_provider(scope, provider_id)
    view = service.view(scope.house, provider)
    values = {
        "provider_name": view.provider_name,
        "client_id": view.client_id or "",
        "issuer": view.issuer,
        "default_role": view.default_role,
        "role_mapping": _lines(view.role_mapping),
        **{name: str(view.settings.get(name, "")) for name in SETTINGS},
    }
    # Google and Entra ID do not tell of a logout from behind.
    spoken = provider.type in ("okta", OIDC)
    return {
        "provider": view,
        "kind": provider.type,
        "values": values,
        "redirect_uri": view.redirect_uri,
        "logout_uri": logout_uri(scope.house, provider) if spoken else "",
    }


def _form(opened: Page, kind: str) -> dict[str, Any]:
    return {
        "provider": None,
        "preset": preset_of(kind),
        "kind": preset_of(kind).type,
        "presets": PRESETS,
        "roles": [(role, role.capitalize()) for role in ROLES],
        "redirect_uri": callback_of(opened.visit.house),
        "logout_uri": "",
        "tested": None,
        "labels": LABELS,
    }


def _typed(form: Form) -> dict[str, str]:
    names = ("provider_name", "client_id", "issuer", "default_role", "role_mapping", *SETTINGS)
    return {name: form.text(name) for name in names}


def _settings(form: Form) -> dict[str, str]:
    return {name: form.text(name) for name in SETTINGS if form.text(name)}


def _rules(form: Form) -> list[dict[str, str]]:
    """Lines such as `engineering-leads = manager`, or `department: it = admin`."""
    rules = []
    for line in filter(None, map(str.strip, form.text("role_mapping").split("\n"))):
        left, equals, role = line.rpartition("=")
        claim, colon, value = left.partition(":")
        if not equals:
            why = f"{line!r} is not like: group = role"
            raise InvalidRequest(
                "Please check the fields below.",
                details={"validation_errors": [f"role_mapping: {why}"]},
            )
        named = (claim, value) if colon else ("groups", left)
        rules.append({"claim": named[0].strip(), "value": named[1].strip(), "role": role.strip()})
    return rules


def _lines(rules: list[RoleRuleView]) -> str:
    return "\n".join(
        f"{rule.value} = {rule.role}"
        if rule.claim == "groups" and ":" not in rule.value
        else f"{rule.claim}: {rule.value} = {rule.role}"
        for rule in rules
    )
