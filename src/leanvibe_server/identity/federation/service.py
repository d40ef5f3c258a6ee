"""Use cases of identity providers: add, change, turn on and off, test, remove."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from leanvibe_server.entitlements.service import require_feature
from leanvibe_server.identity import notices
from leanvibe_server.identity.federation import mapping
from leanvibe_server.identity.federation import repository as rows
from leanvibe_server.identity.federation.events import (
    IdentityUnlinked,
    ProviderCreated,
    ProviderDeleted,
    ProviderDisabled,
    ProviderEnabled,
    ProviderUpdated,
)
from leanvibe_server.identity.federation.models import CEILING, OIDC, SAML, SsoProvider
from leanvibe_server.identity.federation.protocols import Protocols, Setup
from leanvibe_server.identity.federation.schemas import (
    NewProvider,
    ProviderChange,
    ProviderTest,
    ProviderView,
)
from leanvibe_server.identity.models import User
from leanvibe_server.identity.repository import people
from leanvibe_server.identity.sessions import end_session
from leanvibe_server.kernel.access import Errand
from leanvibe_server.kernel.errors import Conflict, NotFound, OtherTenant, invalid_field
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.kernel.sealing import fetch_keys, seal, unseal
from leanvibe_server.tenancy.service import require_tenant

MAX_PROVIDERS = 50
MAX_SLUG_LENGTH = 40
# Words of our own paths below /auth/sso.
RESERVED = frozenset(
    {
        "providers",
        "callback",
        "login",
        "link",
        "start",
        "step-up",
        "identities",
        "domains",
        "metadata",
        "acs",
    }
)


async def create(errand: Errand, new: NewProvider) -> SsoProvider:
    """Add a provider. Its own metadata is asked for before anything is kept.

    Raises: Forbidden: the plan holds no such sign-in; another tenant is named. InvalidRequest:
        naming the field.
    """
    async with errand.scope() as scope:
        await _require_own_tenant(scope, new.tenant_id)
        require_feature(scope.plan, _protocol_of(new.provider_type))
        await mapping.require_givable(scope, new.default_role, field="default_role")
        rules = await mapping.kept_rules(scope, new.role_mapping)
    protocol = errand.house.part(Protocols).named(_protocol_of(new.provider_type))
    setup = await protocol.set_up(errand, new, None)
    await fetch_keys(errand.house, errand.tenant_id, to_seal=True)
    async with errand.scope() as scope:
        provider = await _row(scope, new, setup, rules)
        await rows.insert(scope.conn, provider)
        await scope.emit(
            ProviderCreated(
                provider_id=provider.id,
                provider_type=provider.type,
                provider_name=provider.name,
                issuer=provider.issuer,
            )
        )
        await protocol.complete(scope, provider)
    return provider


async def require_provider(scope: Scope, provider_id: UUID) -> SsoProvider:
    """A provider of the tenant. Raises: NotFound."""
    return _found(await rows.find(scope.conn, scope.tenant_id, provider_id))


async def list_providers(scope: Scope, page: PageRequest) -> list[SsoProvider]:
    """The providers of the tenant in the order they came, one more than the page shows."""
    return await rows.list_page(scope.conn, scope.tenant_id, after=page.after, limit=page.limit + 1)


async def list_enabled(scope: Scope) -> list[SsoProvider]:
    """The providers people of the tenant may sign in by."""
    return await rows.list_enabled(scope.conn, scope.tenant_id)


async def change(errand: Errand, provider_id: UUID, wanted: ProviderChange) -> SsoProvider:
    """Change a provider; what is not named stays. Raises: NotFound, Forbidden, InvalidRequest."""
    async with errand.scope() as scope:
        before = await require_provider(scope, provider_id)
        _check_lasting(before, wanted)
        require_feature(scope.plan, before.protocol)
        choice = await _role_choice(scope, before, wanted)
    setup = None
    if wanted.client_id or wanted.client_secret or wanted.settings is not None:
        protocol = errand.house.part(Protocols).speak(before)
        setup = await protocol.set_up(errand, _merged(before, wanted), before)
        await fetch_keys(errand.house, errand.tenant_id, to_seal=True)
    async with errand.scope() as scope:
        current = _found(await rows.lock(scope.conn, scope.tenant_id, provider_id))
        after = await _changed(scope, current, wanted, choice, setup)
        if setup is not None:
            await mapping.require_all_givable(scope, after)
        updated = _found(await rows.update(scope.conn, after))
        changed = [
            name
            for name in SsoProvider.__struct_fields__
            if name != "updated_at" and getattr(current, name) != getattr(updated, name)
        ]
        if changed:
            await scope.emit(ProviderUpdated(provider_id=provider_id, changed=changed))
        if setup is not None:
            await cut_links_above(scope, updated)
            await errand.house.part(Protocols).speak(updated).complete(scope, updated)
        if wanted.enabled is not None:
            updated = await (enable if wanted.enabled else disable)(scope, provider_id)
    return updated


def _check_lasting(before: SsoProvider, wanted: ProviderChange) -> None:
    """Raises: InvalidRequest: type or issuer are to be others, by which its people are known."""
    for name, kept in (("provider_type", before.type), ("issuer", before.issuer)):
        if getattr(wanted, name) not in (None, kept):
            raise invalid_field(name, "stays for good: add another provider instead")


async def cut_links_above(scope: Scope, provider: SsoProvider) -> None:
    """Cut the links of those above whoever set up what the provider is believed by: another
    certificate must not lead into an owner's account. They link it again themselves."""
    for identity_id, user_id, held in await rows.list_linked(
        scope.conn, scope.tenant_id, provider.id
    ):
        if mapping.opens(provider, held):
            continue
        user = await people.find_user(scope.conn, scope.tenant_id, user_id)
        if user is not None:
            await cut_link(scope, user, provider, identity_id, reason="account unlinked")


async def cut_link(
    scope: Scope, user: User, provider: SsoProvider, identity_id: UUID, *, reason: str
) -> None:
    """Have an account at a provider open a user's account no more, end the sessions it opened, and
    tell the user."""
    await rows.delete_identity(scope.conn, scope.tenant_id, identity_id)
    await scope.emit(
        IdentityUnlinked(user_id=user.id, provider_id=provider.id, identity_id=identity_id)
    )
    await end_sessions(scope, provider.id, reason=reason, user_id=user.id)
    await notices.identity_unlinked(scope, user, provider=provider.name)


async def enable(scope: Scope, provider_id: UUID) -> SsoProvider:
    """Let people sign in by it. Raises: NotFound, Forbidden: not in the plan."""
    provider = _found(await rows.lock(scope.conn, scope.tenant_id, provider_id))
    require_feature(scope.plan, provider.protocol)
    if provider.enabled:
        return provider
    await scope.emit(ProviderEnabled(provider_id=provider_id))
    return await _set_enabled(scope, provider, enabled=True)


async def disable(scope: Scope, provider_id: UUID) -> SsoProvider:
    """Let nobody sign in by it, and end the sessions that were opened by its word."""
    provider = _found(await rows.lock(scope.conn, scope.tenant_id, provider_id))
    if not provider.enabled:
        return provider
    await scope.emit(ProviderDisabled(provider_id=provider_id))
    await end_sessions(scope, provider_id, reason="identity provider disabled")
    return await _set_enabled(scope, provider, enabled=False)


async def delete(scope: Scope, provider_id: UUID) -> None:
    """Remove a provider with the links of its people, and end the sessions it opened."""
    provider = _found(await rows.lock(scope.conn, scope.tenant_id, provider_id))
    await end_sessions(scope, provider_id, reason="identity provider deleted")
    await rows.delete(scope.conn, scope.tenant_id, provider_id)
    await scope.emit(
        ProviderDeleted(
            provider_id=provider_id, provider_name=provider.name, issuer=provider.issuer
        )
    )


async def test(errand: Errand, provider_id: UUID) -> ProviderTest:
    """Look whether a provider answers as it should, without signing anybody in."""
    async with errand.scope() as scope:
        provider = await require_provider(scope, provider_id)
    checks = await errand.house.part(Protocols).speak(provider).test(errand, provider)
    return ProviderTest(success=all(check.ok for check in checks), checks=checks)


async def end_sessions(
    scope: Scope,
    provider_id: UUID,
    *,
    reason: str,
    user_id: UUID | None = None,
    remote_session: str | None = None,
) -> int:
    """End the sessions a provider opened: all, those of one user, or those of one session at the
    provider; sign-ins that wait for a second factor too. Returns how many sessions."""
    await rows.end_waiting(
        scope.conn,
        scope.tenant_id,
        provider_id,
        user_id=user_id,
        remote_session=remote_session,
    )
    found = await rows.list_sessions(
        scope.conn,
        scope.tenant_id,
        provider_id,
        user_id=user_id,
        remote_session=remote_session,
    )
    for session_id in found:
        await end_session(scope, session_id, reason=reason)
    return len(found)


async def open_secret(scope: Scope, provider: SsoProvider) -> str | None:
    """The client secret in clear, for the moment of its use."""
    if provider.client_secret_sealed is None:
        return None
    plain = await unseal(scope, provider.client_secret_sealed, place=_place(provider.id))
    return plain.decode()


def view(house: House, provider: SsoProvider) -> ProviderView:
    """The provider as the API prints it."""
    redirect_uri = house.part(Protocols).speak(provider).redirect_uri(house, provider)
    return ProviderView.of(provider, redirect_uri=redirect_uri)


def _protocol_of(provider_type: str) -> str:
    return SAML if provider_type == SAML else OIDC


async def _require_own_tenant(scope: Scope, named: str | None) -> None:
    if named is None or named == str(scope.tenant_id):
        return
    if named.strip().lower() != (await require_tenant(scope)).slug:
        raise OtherTenant("tenant_id must name the tenant of your credentials.")


async def _row(scope: Scope, new: NewProvider, setup: Setup, rules: dict[str, Any]) -> SsoProvider:
    taken = await rows.list_slugs(scope.conn, scope.tenant_id)
    if len(taken) >= MAX_PROVIDERS:
        raise Conflict(f"A tenant may have {MAX_PROVIDERS} identity providers. Delete one first.")
    provider_id, now = scope.new_id(), scope.now
    sealed = None
    if setup.secret is not None:
        sealed = await seal(scope, setup.secret.encode(), place=_place(provider_id))
    return SsoProvider(
        tenant_id=scope.tenant_id,
        id=provider_id,
        protocol=_protocol_of(new.provider_type),
        type=new.provider_type,
        slug=_free_slug(new, taken),
        name=new.provider_name,
        enabled=new.enabled,
        issuer=setup.issuer,
        client_id=setup.client_id,
        client_secret_sealed=sealed,
        configuration=setup.configuration | {CEILING: scope.actor.role},
        default_role=new.default_role,
        role_mapping=rules,
        created_at=now,
        updated_at=now,
    )


async def is_free(scope: Scope, slug: str) -> bool:
    """Whether no provider of the tenant has that name in addresses yet."""
    return slug not in await rows.list_slugs(scope.conn, scope.tenant_id)


def _free_slug(new: NewProvider, taken: set[str]) -> str:
    """The provider's name in addresses: its type for the first of a kind, else of its name."""
    if new.provider_type not in taken:
        return new.provider_type
    words = re.sub(r"[^a-z0-9]+", "-", new.provider_name.lower())[:MAX_SLUG_LENGTH].strip("-")
    stem = words if words and words not in RESERVED else f"{new.provider_type}-{words}".strip("-")
    number, slug = 2, stem
    while slug in taken:
        slug = f"{stem}-{number}"
        number += 1
    return slug


@dataclass(frozen=True)
class _RoleChoice:
    default_role: str
    rules: dict[str, Any]


async def _role_choice(scope: Scope, before: SsoProvider, wanted: ProviderChange) -> _RoleChoice:
    default_role = before.default_role
    if wanted.default_role is not None:
        default_role = await mapping.require_givable(
            scope, wanted.default_role, field="default_role"
        )
    rules = before.role_mapping
    if wanted.role_mapping is not None:
        rules = await mapping.kept_rules(scope, wanted.role_mapping)
    return _RoleChoice(default_role, rules)


def _merged(before: SsoProvider, wanted: ProviderChange) -> NewProvider:
    """The entries as if the provider were added anew; its secret stays unless there is one."""
    settings = before.settings | (wanted.settings or {})
    return NewProvider.model_construct(
        tenant_id=None,
        provider_type=before.type,
        provider_name=wanted.provider_name or before.name,
        client_id=wanted.client_id or before.client_id,
        client_secret=wanted.client_secret,
        issuer=before.issuer,
        discovery_url=None,
        settings={name: value for name, value in settings.items() if value is not None},
        default_role=before.default_role,
        role_mapping=[],
        enabled=before.enabled,
    )


async def _changed(
    scope: Scope,
    current: SsoProvider,
    wanted: ProviderChange,
    choice: _RoleChoice,
    setup: Setup | None,
) -> SsoProvider:
    after = msgspec.structs.replace(
        current,
        name=wanted.provider_name or current.name,
        default_role=choice.default_role,
        role_mapping=choice.rules,
        updated_at=scope.now,
    )
    if setup is None:
        return after
    sealed = current.client_secret_sealed
    if setup.secret is not None:
        sealed = await seal(scope, setup.secret.encode(), place=_place(current.id))
    return msgspec.structs.replace(
        after,
        client_id=setup.client_id,
        client_secret_sealed=sealed,
        configuration=setup.configuration | {CEILING: scope.actor.role},
    )


async def _set_enabled(scope: Scope, provider: SsoProvider, *, enabled: bool) -> SsoProvider:
    changed = msgspec.structs.replace(provider, enabled=enabled, updated_at=scope.now)
    return _found(await rows.update(scope.conn, changed))


def _found(provider: SsoProvider | None) -> SsoProvider:
    if provider is None:
        raise NotFound("No such identity provider.")
    return provider


def _place(provider_id: UUID) -> tuple[str, str, UUID]:
    return ("sso_providers", "client_secret_sealed", provider_id)
