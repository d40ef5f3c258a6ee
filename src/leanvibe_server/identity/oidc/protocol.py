"""OpenID Connect among the protocols of single sign-on: set up, tested and begun."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

from leanvibe_server.identity import opaque
from leanvibe_server.identity.federation.models import OIDC, SsoProvider
from leanvibe_server.identity.federation.people import require_enabled
from leanvibe_server.identity.federation.protocols import Departure, Setup, Wish
from leanvibe_server.identity.federation.schemas import CheckView, NewProvider
from leanvibe_server.identity.oidc import client_keys, flows
from leanvibe_server.identity.oidc import repository as rows
from leanvibe_server.identity.oidc.discovery import Metadata, discovery_url_of, read_metadata
from leanvibe_server.identity.oidc.errors import silent
from leanvibe_server.identity.oidc.exchange import method_of
from leanvibe_server.identity.oidc.id_tokens import ALGORITHMS
from leanvibe_server.identity.oidc.jwks import fetch_keys
from leanvibe_server.identity.oidc.known import GOOGLE
from leanvibe_server.identity.oidc.presets import Target, target_of
from leanvibe_server.identity.oidc.settings import OidcSettings, kept, read_settings, settings_of
from leanvibe_server.identity.visits import scope_in
from leanvibe_server.kernel.access import Errand
from leanvibe_server.kernel.errors import AppError, invalid_field
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.outbound import Unreachable
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import Scope

CALLBACK_PATH = "/auth/sso/callback"


class OidcProtocol:
    """Providers that speak OpenID Connect, by the authorization code flow with PKCE."""

    name = OIDC

    async def set_up(
        self, errand: Errand, wanted: NewProvider, current: SsoProvider | None
    ) -> Setup:
        """Raises: InvalidRequest: naming the field."""
        house = errand.house
        settings = read_settings(house, wanted.settings)
        if current is None:
            target = target_of(house, wanted)
            _require_client(wanted, settings)
        else:
            # Its people are known by the issuer's names for them: it is for good.
            target = Target(current.issuer, well_known=True)
        await _look_at(house, target, settings)
        return Setup(
            issuer=target.issuer,
            client_id=wanted.client_id,
            secret=wanted.client_secret,
            configuration={
                "settings": kept(settings),
                "discovery_url": discovery_url_of(target.issuer),
            },
        )

    async def complete(self, scope: Scope, provider: SsoProvider) -> None:
        """A key of ours, where the provider is to know us by one."""
        await client_keys.ensure(scope, provider)

    async def test(self, errand: Errand, provider: SsoProvider) -> list[CheckView]:
        """Look at the discovery document and the keys, as a sign-in would."""
        house = errand.house
        try:
            metadata = await read_metadata(house, provider.issuer, anew=True)
        except Unreachable:
            return [_check("discovery", False, f"{provider.issuer} does not answer with JSON.")]
        except AppError as error:
            return [_check("discovery", False, error.message)]
        return [
            _check("discovery", True, f"The issuer is {metadata.issuer}."),
            await _check_keys(house, metadata),
            _check_algorithms(metadata),
            _check_client(metadata, provider),
            _check_pkce(metadata),
        ]

    async def depart(
        self, visit: Visit, provider: SsoProvider, wish: Wish, *, plan: str
    ) -> Departure:
        """Begin a sign-in: keep its state, and say where the browser goes.

        Raises: InvalidRequest: a redirect URI that is not registered; the provider is off or
            cannot be used. ServiceUnavailable: it does not answer.
        """
        house, settings = visit.house, settings_of(provider)
        redirect_uri = _redirect_uri(house, provider, settings, wish)
        try:
            metadata = await read_metadata(house, provider.issuer)
        except Unreachable:
            raise silent() from None
        state = flows.new_state(provider.tenant_id)
        cookie = flows.new_cookie() if wish.web else None
        async with house.database.tenant(provider.tenant_id) as conn:
            scope = scope_in(visit, conn, provider.tenant_id, plan=plan)
            await require_enabled(scope, provider)
            flow = flows.new_flow(
                scope,
                provider_id=provider.id,
                state=state,
                cookie=cookie,
                redirect_uri=redirect_uri,
                wish=wish,
            )
            await rows.insert(conn, flow)
        return Departure(
            url=_authorization_url(
                house, metadata, provider, settings, flow.redirect_uri, state, wish
            ),
            state=state,
            expires_in=int(flows.VALID_FOR.total_seconds()),
            cookie=None if cookie is None else (flows.cookie_name(state), cookie),
        )

    def asks_again(self, provider: SsoProvider) -> bool:
        """Google asks nobody again who is signed in there."""
        return provider.issuer != GOOGLE

    def redirect_uri(self, house: House, provider: SsoProvider) -> str:
        """The address to register at the provider."""
        return callback_of(house, provider.tenant_id, provider.slug)


def callback_of(house: House, tenant_id: UUID, slug: str) -> str:
    """The address at which a provider's answers are taken: one of its own, so that no provider's
    answer is taken for another's, even where neither says who it is.

    Source: RFC 9700, section 4.4.2.2.
    """
    tenant = opaque.encode(tenant_id.int, opaque.TENANT_LENGTH)
    return f"{house.settings.base_url}{CALLBACK_PATH}/{tenant}/{slug}"


def _require_client(wanted: NewProvider, settings: OidcSettings) -> None:
    method = settings.token_endpoint_auth_method
    public = method == client_keys.METHOD or (
        wanted.provider_type == "oidc" and method in (None, "none")
    )
    for field in ("client_id", "client_secret"):
        if getattr(wanted, field) is None and not (field == "client_secret" and public):
            raise invalid_field(
                field,
                "Field required",
                f"{field} is missing: the provider shows it where you register this application.",
            )


async def _look_at(house: House, target: Target, settings: OidcSettings) -> None:
    """Read the discovery document. The presets' issuers are known to be right, so that a silent
    network does not keep an admin from entering them.

    Raises: InvalidRequest: it is not there, or offers no such way for us to prove ourselves.
    """
    try:
        metadata = await read_metadata(house, target.issuer, anew=True)
    except Unreachable:
        if target.well_known:
            return
        why = (
            f"no discovery document is at {discovery_url_of(target.issuer)}, or its host may not "
            "be called from here"
        )
        raise invalid_field("issuer", why, f"The provider cannot be read: {why}.") from None

    chosen = settings.token_endpoint_auth_method
    offered = metadata.token_endpoint_auth_methods_supported
    if chosen in (None, "none") or offered is None or chosen in offered:
        return
    why = f"the provider does not offer {chosen}, but {', '.join(offered)[:200]}"
    raise invalid_field(
        "settings.token_endpoint_auth_method", why, f"Choose another way to prove ourselves: {why}."
    )


def _redirect_uri(house: House, provider: SsoProvider, settings: OidcSettings, wish: Wish) -> str:
    own = callback_of(house, provider.tenant_id, provider.slug)
    if wish.web or wish.redirect_uri in (None, own):
        return own
    if wish.redirect_uri in settings.redirect_uris:
        return str(wish.redirect_uri)
    raise invalid_field(
        "redirect_uri", "must be one of the provider's settings.redirect_uris, to the letter"
    )


def _authorization_url(
    house: House,
    metadata: Metadata,
    provider: SsoProvider,
    settings: OidcSettings,
    redirect_uri: str,
    state: str,
    wish: Wish,
) -> str:
    asked = {
        "response_type": "code",
        "client_id": provider.client_id or "",
        "redirect_uri": redirect_uri,
        "scope": " ".join(settings.scopes),
        "state": state,
        "nonce": flows.nonce_of(house, state),
        "code_challenge": flows.challenge_of(flows.verifier_of(house, state)),
        "code_challenge_method": "S256",
    }
    if wish.purpose == "step_up":
        # Source: OpenID Connect Core 1.0, section 3.1.2.1. The answer's auth_time is checked.
        asked |= {"prompt": "login", "max_age": "0"}
    if wish.login_hint:
        asked["login_hint"] = wish.login_hint
    if settings.hosted_domain:
        asked["hd"] = settings.hosted_domain
    parts = urlsplit(metadata.authorization_endpoint)
    own = [(name, value) for name, value in parse_qsl(parts.query) if name not in asked]
    return urlunsplit(parts._replace(query=urlencode([*own, *asked.items()])))


def _check(name: str, ok: bool, message: str) -> CheckView:
    return CheckView(name=name, ok=ok, message=message)


async def _check_keys(house: House, metadata: Metadata) -> CheckView:
    try:
        found = await fetch_keys(house, metadata.jwks_uri)
    except Unreachable:
        return _check("keys", False, f"No key set is at {metadata.jwks_uri}.")
    if not found.keys:
        return _check("keys", False, "The key set holds no key that ID tokens may be signed with.")
    return _check("keys", True, f"{len(found.keys)} signing keys.")


def _check_algorithms(metadata: Metadata) -> CheckView:
    offered = metadata.id_token_signing_alg_values_supported
    usable = [name for name in offered if name in ALGORITHMS]
    if offered and not usable:
        return _check("algorithms", False, "It signs by no algorithm that is safe for ID tokens.")
    return _check("algorithms", True, f"ID tokens are signed by {', '.join(usable) or 'RS256'}.")


def _check_client(metadata: Metadata, provider: SsoProvider) -> CheckView:
    """Whether we can prove ourselves at its token endpoint as we are set up to."""
    chosen = settings_of(provider).token_endpoint_auth_method
    kept = None if provider.client_secret_sealed is None else "kept"
    method = method_of(metadata, chosen=chosen, secret=kept)
    offered = metadata.token_endpoint_auth_methods_supported
    if method != "none" and offered is not None and method not in offered:
        return _check("client", False, f"It does not offer {method} at its token endpoint.")
    if method == client_keys.METHOD and client_keys.algorithm_of(metadata, provider.type) is None:
        return _check("client", False, "It takes client assertions by neither RS256 nor PS256.")
    return _check("client", True, f"We prove ourselves there by {method}.")


def _check_pkce(metadata: Metadata) -> CheckView:
    offered = metadata.code_challenge_methods_supported
    if offered is not None and "S256" not in offered:
        return _check("pkce", True, "It does not say that it checks PKCE; S256 is sent anyway.")
    return _check("pkce", True, "Codes are protected by PKCE with S256.")
