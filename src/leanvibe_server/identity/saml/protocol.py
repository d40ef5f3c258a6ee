"""SAML among the protocols of single sign-on: set up, tried and begun."""

import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec

from leanvibe_server.identity import opaque
from leanvibe_server.identity.federation.models import SsoProvider
from leanvibe_server.identity.federation.protocols import Departure, Setup, Wish
from leanvibe_server.identity.federation.schemas import CheckView, NewProvider
from leanvibe_server.identity.saml import bindings, importing, messages
from leanvibe_server.identity.saml import repository as rows
from leanvibe_server.identity.saml.addresses import PATH, SpAddresses, addresses_of
from leanvibe_server.identity.saml.keys import SpKeys, ensure_keys, open_keys
from leanvibe_server.identity.saml.models import LOGIN, STEP_UP, SamlRequest
from leanvibe_server.identity.saml.names import REDIRECT
from leanvibe_server.identity.saml.providers import (
    KEPT,
    METADATA,
    NAME_FORMATS,
    READ_AT,
    SamlSettings,
    certificates_of,
    metadata_of,
    parse_settings,
    settings_of,
    stored,
)
from leanvibe_server.identity.visits import scope_in
from leanvibe_server.kernel.access import Errand
from leanvibe_server.kernel.crypto import hash_token
from leanvibe_server.kernel.errors import Conflict, InvalidRequest
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope
from leanvibe_server.tenancy.service import require_tenant

REQUEST_VALID_FOR = timedelta(minutes=10)
EXPIRES_SOON = timedelta(days=30)
COOKIE = "lv_saml_"


class SamlProtocol:
    """The service provider's side of SAML 2.0."""

    name = "saml"

    async def set_up(
        self, errand: Errand, wanted: NewProvider, current: SsoProvider | None
    ) -> Setup:
        """Read the provider's metadata from the settings, or from where they say.

        Raises: InvalidRequest: naming the field. Conflict: that provider is set up already.
        """
        settings = parse_settings(wanted.settings)
        document = await importing.find_document(errand.house, wanted.settings, settings)
        await ensure_keys(errand.house, errand.tenant_id)
        kept = {"settings": _shown(settings)}
        if document is None:
            if current is None:
                raise importing.invalid(
                    "metadata_xml",
                    "Give the provider's metadata as settings.metadata_xml, or its address as "
                    "settings.metadata_url.",
                )
            return _setup(
                current.issuer,
                kept
                | {
                    name: current.configuration[name]
                    for name in KEPT
                    if name in current.configuration
                },
            )
        place = "metadata_url" if wanted.settings.get("metadata_xml") is None else "metadata_xml"
        metadata = importing.read(errand.house, document, settings, place=place)
        if current is None:
            await _require_new(errand, metadata.entity_id)
        if current is not None and metadata.entity_id != current.issuer:
            raise importing.invalid(
                place,
                f"This is the metadata of {metadata.entity_id}, not of {current.issuer}. "
                "Add another provider for it.",
            )
        read_at = errand.house.clock.now().isoformat()
        return _setup(metadata.entity_id, kept | {METADATA: stored(metadata), READ_AT: read_at})

    async def complete(self, scope: Scope, provider: SsoProvider) -> None:
        """Nothing is missing: our keys are the tenant's."""

    async def test(self, errand: Errand, provider: SsoProvider) -> list[CheckView]:
        """Look at the certificates, and whether the metadata still says what was imported."""
        now, metadata = errand.house.clock.now(), metadata_of(provider)
        checks = [*_certificate_checks(provider, errand)]
        if metadata.valid_until is not None:
            message = f"The metadata is valid until {metadata.valid_until:%Y-%m-%d}."
            checks.append(
                CheckView(name="validity", ok=now < metadata.valid_until, message=message)
            )
        settings = settings_of(provider)
        if settings.metadata_url is not None:
            checks.append(await _check_address(errand, provider, settings))
        return checks

    async def depart(
        self, visit: Visit, provider: SsoProvider, wish: Wish, *, plan: str
    ) -> Departure:
        """Write down a request and lead to the provider with it, signed."""
        house = visit.house
        await ensure_keys(house, provider.tenant_id)
        handle, browser = opaque.new_token(provider.tenant_id), secrets.token_urlsafe(32)
        async with house.database.tenant(provider.tenant_id) as conn:
            scope = scope_in(visit, conn, provider.tenant_id, plan=plan)
            request = _request(scope, provider, wish, handle, browser if wish.web else None)
            await rows.insert_request(conn, request)
            keys = await open_keys(scope)
            addresses = addresses_of(house.settings, (await require_tenant(scope)).slug)
        return Departure(
            url=_sign_on_url(provider, addresses, keys, request, handle),
            state=handle,
            expires_in=int(REQUEST_VALID_FOR.total_seconds()),
            cookie=(cookie_name(handle), browser) if wish.web else None,
            cookie_path=PATH,
            cross_site=True,
        )

    def asks_again(self, provider: SsoProvider) -> bool:
        """Each is told to (ForceAuthn); whether it did, its answer says."""
        return True

    def redirect_uri(self, house: House, provider: SsoProvider) -> str:
        """Where assertions go when the provider is told no more than this."""
        return f"{house.settings.base_url}{PATH}/sso"


def cookie_name(handle: str) -> str:
    """The cookie that ties a request to its browser; one for each, as tabs go side by side."""
    return COOKIE + hash_token(handle).hex()[:16]


def new_message_id() -> str:
    """An ID for a message, which XML has begin with no digit."""
    return f"_{secrets.token_hex(20)}"


def _request(
    scope: Scope, provider: SsoProvider, wish: Wish, handle: str, browser: str | None
) -> SamlRequest:
    return SamlRequest(
        tenant_id=scope.tenant_id,
        id=scope.new_id(),
        provider_id=provider.id,
        purpose=STEP_UP if wish.purpose == "step_up" else LOGIN,
        request_id=new_message_id(),
        handle_hash=hash_token(handle),
        browser_hash=None if browser is None else hash_token(browser),
        next_path=wish.next_path,
        link_user_id=wish.link_user_id,
        link_session_id=wish.link_session_id,
        created_at=scope.now,
        expires_at=scope.now + REQUEST_VALID_FOR,
        consumed_at=None,
        ticket=wish.ticket,
    )


def _sign_on_url(
    provider: SsoProvider,
    addresses: SpAddresses,
    keys: SpKeys,
    request: SamlRequest,
    handle: str,
) -> str:
    metadata, settings = metadata_of(provider), settings_of(provider)
    if metadata.sign_on_binding != REDIRECT:
        # The form that carries the request is a page of ours, made when it is asked for.
        return f"{addresses.requests}/{handle}"
    document = messages.printed(sign_on_request(provider, addresses, settings, request))
    return bindings.to_address(
        metadata.sign_on_url, "SAMLRequest", document, handle, keys.current.private
    )


def sign_on_request(
    provider: SsoProvider, addresses: SpAddresses, settings: SamlSettings, request: SamlRequest
) -> Any:
    """The AuthnRequest of a request under way."""
    named = settings.name_id_format
    return messages.authn_request(
        request_id=request.request_id,
        issuer=addresses.entity_id,
        destination=metadata_of(provider).sign_on_url,
        acs_url=addresses.acs,
        name_id_format=None if named is None else NAME_FORMATS[named],
        force=settings.force_authn or request.purpose == STEP_UP,
        now=request.created_at,
    )


async def _require_new(errand: Errand, entity_id: str) -> None:
    """Messages that answer nothing say no more than who they are from, so one provider at most
    bears a name. Raises: Conflict."""
    async with errand.scope() as scope:
        found = await rows.find_provider_by_issuer(scope.conn, scope.tenant_id, entity_id)
    if found is not None:
        raise Conflict(
            f"{found.name} is the provider {entity_id} already. Import this metadata there, or "
            "delete it first.",
            details={"field": "metadata_xml", "provider_id": str(found.id)},
        )


def _shown(settings: SamlSettings) -> dict[str, Any]:
    """What the admin chose, without what was left to us."""
    default = SamlSettings()
    return {
        name: value
        for name, value in msgspec.structs.asdict(settings).items()
        if value != getattr(default, name)
    }


def _setup(issuer: str, configuration: dict[str, Any]) -> Setup:
    return Setup(issuer=issuer, client_id=None, secret=None, configuration=configuration)


def _certificate_checks(provider: SsoProvider, errand: Errand) -> Iterator[CheckView]:
    now = errand.house.clock.now()
    for certificate in certificates_of(provider):
        end = certificate.not_valid_after_utc
        name = certificate.subject.rfc4514_string()[:100]
        words = "expired on" if end <= now else "is valid until"
        yield CheckView(
            name="certificate",
            ok=now + EXPIRES_SOON < end,
            message=f"The signing certificate {name} {words} {end:%Y-%m-%d}.",
        )


async def _check_address(
    errand: Errand, provider: SsoProvider, settings: SamlSettings
) -> CheckView:
    """Whether the metadata's address still tells what was imported from it."""
    try:
        document = await importing.fetch(errand.house, settings.metadata_url or "")
        metadata = importing.read(errand.house, document, settings)
    except InvalidRequest as error:
        return CheckView(name="metadata_url", ok=False, message=error.message)
    if metadata.entity_id != provider.issuer:
        message = f"The address now describes {metadata.entity_id}."
        return CheckView(name="metadata_url", ok=False, message=message)
    same = stored(metadata) == provider.configuration[METADATA]
    told = "says what was imported" if same else "has changed: read it again to import it"
    return CheckView(name="metadata_url", ok=same, message=f"The metadata {told}.")
