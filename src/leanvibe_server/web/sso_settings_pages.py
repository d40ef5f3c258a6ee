"""Pages of identity providers and domains, and of one's own linked accounts."""

from typing import Annotated, Any

from fastapi import Response

from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.identity.domains import service as domains
from leanvibe_server.identity.domains.schemas import DomainView, NewDomain
from leanvibe_server.identity.federation import linking, service
from leanvibe_server.identity.federation.models import OIDC, SAML, SsoProvider
from leanvibe_server.identity.federation.reminders import End, is_near
from leanvibe_server.identity.federation.schemas import NewProvider, ProviderChange, ProviderView
from leanvibe_server.identity.oidc import client_keys
from leanvibe_server.identity.oidc.leaving import signed_out_uri
from leanvibe_server.identity.oidc.logout import logout_uri
from leanvibe_server.identity.oidc.protocol import callback_of
from leanvibe_server.identity.oidc.reminders import ends_of_client
from leanvibe_server.identity.saml import refreshing
from leanvibe_server.identity.saml import service as saml
from leanvibe_server.identity.saml.reminders import ends_of_provider
from leanvibe_server.identity.saml.schemas import ServiceProviderView
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.http import PathId
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.web import provider_form
from leanvibe_server.web.forms import Form, fill
from leanvibe_server.web.page import ErrandPage, ScopedPage, errand_page, page
from leanvibe_server.web.routes import PageRouter
from leanvibe_server.web.saml_pages import certificate_lines
from leanvibe_server.web.sso_presets import PRESETS, preset_of

router = PageRouter()

READ = page(Permission.SECURITY_READ)
MANAGE = page(Permission.SECURITY_MANAGE, fresh=True)
MANAGE_OUTSIDE = errand_page(Permission.SECURITY_MANAGE, fresh=True)
SELF = page(Permission.SELF)
SELF_FRESH = page(Permission.SELF, fresh=True)

ALL = PageRequest(limit=100)
FORM = "settings/sso_provider.html"


@router.get("/settings/sso")
async def show_sso(opened: Annotated[ScopedPage, READ]) -> Response:
    """The providers and domains of the organisation."""
    return opened.show("settings/sso.html", **await _overview(opened.scope), values={"domain": ""})


@router.get("/settings/sso/new")
async def new_provider(opened: Annotated[ScopedPage, READ]) -> Response:
    """The form of a new provider, with what to enter where for each kind."""
    preset = preset_of(opened.request.query_params.get("type", ""))
    values = provider_form.blank(preset.type, name=preset.label)
    return opened.show(FORM, **await _new(opened.scope, preset.type), values=values)


@router.post("/settings/sso/new")
async def add_provider(opened: Annotated[ErrandPage, MANAGE_OUTSIDE]) -> Response:
    """Add a provider; its metadata is read at once."""
    form, kind = opened.form, opened.form.text("provider_type")
    async with opened.errand.scope() as scope:
        frame = await _new(scope, kind)
    with opened.refusing(FORM, **frame, values=provider_form.typed(form)):
        wanted = provider_form.settings(form, kind)
        entered = {
            "provider_type": kind,
            "provider_name": form.text("provider_name"),
            "client_id": form.optional("client_id"),
            "client_secret": form.secret("client_secret") or None,
            "issuer": form.optional("issuer"),
            "settings": {name: value for name, value in wanted.items() if value is not None},
            "default_role": form.text("default_role") or "developer",
            "role_mapping": provider_form.rules(form),
        }
        provider = await service.create(opened.errand, fill(NewProvider, entered))
    return opened.go(f"/settings/sso/{provider.id}", toast="provider-added")


@router.get("/settings/sso/{provider_id}")
async def show_provider(provider_id: PathId, opened: Annotated[ScopedPage, READ]) -> Response:
    """One provider, with the addresses to enter there."""
    return opened.show(FORM, **await _provider(opened.scope, provider_id))


@router.post("/settings/sso/{provider_id}")
async def save_provider(
    provider_id: PathId, opened: Annotated[ErrandPage, MANAGE_OUTSIDE]
) -> Response:
    """Change a provider; a secret that is left empty stays, and so does what was not touched."""
    async with opened.errand.scope() as scope:
        frame = await _provider(scope, provider_id)
    form, before = opened.form, frame["provider"]
    with opened.refusing(FORM, **frame | {"values": provider_form.typed(form)}):
        await service.change(
            opened.errand, provider_id, fill(ProviderChange, _differences(form, before))
        )
    return opened.go(f"/settings/sso/{provider_id}", toast="provider-saved")


@router.post("/settings/sso/{provider_id}/metadata")
async def read_metadata_again(
    provider_id: PathId, opened: Annotated[ErrandPage, MANAGE_OUTSIDE]
) -> Response:
    """Import the metadata of a SAML provider anew, from its address."""
    async with opened.errand.scope() as scope:
        frame = await _provider(scope, provider_id)
    with opened.refusing(FORM, **frame):
        await service.change(opened.errand, provider_id, fill(ProviderChange, {"settings": {}}))
    return opened.go(f"/settings/sso/{provider_id}", toast="provider-saved")


@router.post("/settings/sso/{provider_id}/test")
async def test_provider(
    provider_id: PathId, opened: Annotated[ErrandPage, MANAGE_OUTSIDE]
) -> Response:
    """Show what a look at the provider finds."""
    tested = await service.test(opened.errand, provider_id)
    async with opened.errand.scope() as scope:
        frame = await _provider(scope, provider_id)
    return opened.show(FORM, **frame | {"tested": tested})


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
    features = plan_of(scope.plan).features
    return {
        "providers": [service.view(scope.house, provider) for provider in found],
        "domains": [DomainView.of(domain) for domain in await domains.list_domains(scope, ALL)],
        "presets": [p for p in PRESETS if (SAML if p.type == SAML else OIDC) in features],
        "has_saml": SAML in features,
    }


def _frame(kind: str) -> dict[str, Any]:
    preset = preset_of(kind)
    return provider_form.FRAME | {
        "provider": None,
        "in_plan": True,
        "preset": preset,
        "kind": preset.type,
        "certificates": [],
        "metadata": None,
        "keys": None,
        "ending": [],
        "ours": None,
        "logout_uri": "",
        "signed_out_uri": "",
        "tested": None,
    }


async def _new(scope: Scope, kind: str) -> dict[str, Any]:
    frame = _frame(kind)
    needed = SAML if frame["kind"] == SAML else OIDC
    # The first of a kind bears its name, so its address is known before it is there.
    known = await service.is_free(scope, frame["kind"])
    return frame | {
        "in_plan": needed in plan_of(scope.plan).features,
        "ours": await _ours(scope, frame["kind"]),
        "redirect_uri": callback_of(scope.house, scope.tenant_id, frame["kind"]) if known else "",
        "roles": await provider_form.role_choices(scope),
    }


async def _provider(scope: Scope, provider_id: PathId) -> dict[str, Any]:
    provider = await service.require_provider(scope, provider_id)
    view = service.view(scope.house, provider)
    ours = await _ours(scope, provider.type)
    # Google and Entra ID do not tell of a logout from behind.
    spoken_oidc = provider.protocol == OIDC
    spoken = provider.type in ("okta", OIDC)
    return _frame(provider.type) | {
        "provider": view,
        "ours": ours,
        "certificates": certificate_lines(provider, scope.now),
        "metadata": await refreshing.describe(scope, provider.id) if ours else None,
        "ending": await _ending(scope, provider),
        "keys": await client_keys.describe(scope, provider.id) if spoken_oidc else None,
        "values": provider_form.shown(view),
        "roles": await provider_form.role_choices(scope, view.default_role),
        "redirect_uri": view.redirect_uri,
        "logout_uri": logout_uri(scope.house, provider) if spoken else "",
        "signed_out_uri": signed_out_uri(scope.house) if spoken else "",
    }


async def _ending(scope: Scope, provider: SsoProvider) -> list[End]:
    """What ends within a month, or has, that sign-in by a provider rests on."""
    if provider.protocol == SAML:
        found = list(ends_of_provider(provider))
    else:
        found = await ends_of_client(scope, provider)
    return [end for end in found if is_near(end, scope.now)]


async def _ours(scope: Scope, kind: str) -> ServiceProviderView | None:
    """What to tell a SAML provider about us."""
    if kind != SAML or SAML not in plan_of(scope.plan).features:
        return None
    return await saml.describe(scope)


def _differences(form: Form, before: ProviderView) -> dict[str, Any]:
    """What was changed. A role that was given before stays without being given again."""
    role, rules = form.optional("default_role"), provider_form.rules(form)
    wanted = provider_form.settings(form, before.provider_type)
    client_id = form.optional("client_id")
    return {
        "provider_name": form.optional("provider_name"),
        "client_id": None if client_id == before.client_id else client_id,
        "client_secret": form.secret("client_secret") or None,
        "default_role": None if role == before.default_role else role,
        "role_mapping": None
        if rules == [rule.model_dump() for rule in before.role_mapping]
        else rules,
        "settings": provider_form.changed_settings(before, wanted),
    }
