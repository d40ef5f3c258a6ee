"""Single sign-on: identity providers, domains, and one's own linked accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from leanvibe._faces import Resource, Runner, endpoint, pages
from leanvibe._operations import (
    Call,
    Operation,
    given,
    lists,
    path_of,
    reads,
    reads_nothing,
)
from leanvibe.models import (
    LinkedIdentities,
    Login,
    SsoClientKey,
    SsoClientKeys,
    SsoDomain,
    SsoProvider,
    SsoProviderTest,
    SsoRedirect,
    WaysIn,
)
from leanvibe.pagination import Page
from leanvibe.resources.auth import Opening


def provider_path(provider_id: str | UUID, *rest: str) -> str:
    """Where a provider of either protocol is, or something of it."""
    return path_of("auth", "sso", "providers", provider_id, *rest)


class Sso(Resource[Runner]):
    """The identity providers and domains of the tenant, and the way in by them."""

    @endpoint
    def begin(
        self,
        provider: str,
        /,
        *,
        tenant: str | UUID | None = None,
        email: str | None = None,
        login_hint: str | None = None,
        domain_hint: str | None = None,
        redirect_uri: str | None = None,
        next: str | None = None,
    ) -> Call[SsoRedirect]:
        """Where to sign in by a provider. Finish with `auth.login(provider=…, auth_code=…,
        state=…)`.

        `login_hint` is an e-mail address like `email`, `domain_hint` a domain alone: they lead to
        the tenant where none is named. `next` is the path of the dashboard to go on to, for a
        browser.
        """
        body = given(
            tenant=tenant,
            email=email,
            login_hint=login_hint,
            domain_hint=domain_hint,
            redirect_uri=redirect_uri,
            next=next,
        )
        return Call(
            method="POST",
            path=path_of("auth", "sso", provider),
            read=reads(SsoRedirect),
            body=body,
            anonymous=True,
        )

    @endpoint
    def discover(
        self, *, email: str | None = None, tenant: str | UUID | None = None
    ) -> Call[WaysIn]:
        """By which way people with an address of that domain, or of that tenant, sign in."""
        return Call(
            method="POST",
            path="/auth/discover",
            read=reads(WaysIn),
            body=given(email=email, tenant=tenant),
            anonymous=True,
        )

    @endpoint
    def add_provider(
        self,
        /,
        *,
        provider_type: str,
        name: str,
        client_id: str,
        client_secret: str | None = None,
        issuer: str | None = None,
        default_role: str | None = None,
        role_mapping: Sequence[Mapping[str, str]] | None = None,
        **settings: Any,
    ) -> Call[SsoProvider]:
        """Add a provider that speaks OpenID Connect: google, microsoft, okta or oidc.

        `settings` are further ones, such as `tenant=` for Microsoft or `domain=` for Okta.
        """
        body = given(
            client_secret=client_secret,
            issuer=issuer,
            default_role=default_role,
            role_mapping=None if role_mapping is None else [dict(rule) for rule in role_mapping],
        )
        named = {"provider_type": provider_type, "provider_name": name, "client_id": client_id}
        return Call(
            method="POST",
            path="/auth/sso/providers",
            read=reads(SsoProvider),
            body={**body, **named, "settings": settings},
        )

    def _providers(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[SsoProvider]]:
        """The identity providers of the tenant, without their secrets."""
        return lists(SsoProvider, "/auth/sso/providers", limit=limit, cursor=cursor)

    providers = endpoint(_providers)
    iterate_providers = pages(_providers)

    @endpoint
    def provider(self, provider_id: str | UUID) -> Call[SsoProvider]:
        """One identity provider of either protocol, without its secrets."""
        return Call(method="GET", path=provider_path(provider_id), read=reads(SsoProvider))

    @endpoint
    def change_provider(self, provider_id: str | UUID, /, **changes: Any) -> Call[SsoProvider]:
        """Change name, credentials, settings or roles of a provider."""
        path = provider_path(provider_id)
        return Call(method="PATCH", path=path, read=reads(SsoProvider), body=changes)

    @endpoint
    def test_provider(self, provider_id: str | UUID) -> Call[SsoProviderTest]:
        """Look whether a provider answers as it should."""
        path = provider_path(provider_id, "test")
        return Call(method="POST", path=path, read=reads(SsoProviderTest))

    @endpoint
    def enable_provider(self, provider_id: str | UUID) -> Call[SsoProvider]:
        """Let people sign in by a provider."""
        path = provider_path(provider_id, "enable")
        return Call(method="POST", path=path, read=reads(SsoProvider))

    @endpoint
    def disable_provider(self, provider_id: str | UUID) -> Call[SsoProvider]:
        """Let nobody sign in by a provider; the sessions it opened end."""
        path = provider_path(provider_id, "disable")
        return Call(method="POST", path=path, read=reads(SsoProvider))

    @endpoint
    def delete_provider(self, provider_id: str | UUID) -> Call[None]:
        """Remove a provider; the sessions it opened end."""
        path = provider_path(provider_id)
        return Call(method="DELETE", path=path, read=reads_nothing)

    @endpoint
    def client_keys(self, provider_id: str | UUID) -> Call[SsoClientKeys]:
        """The keys by which a provider knows us, set up with
        `token_endpoint_auth_method="private_key_jwt"`: their address and certificates."""
        path = provider_path(provider_id, "keys")
        return Call(method="GET", path=path, read=reads(SsoClientKeys))

    @endpoint
    def prepare_client_key(self, provider_id: str | UUID) -> Call[SsoClientKey]:
        """Prepare the next key: it is shown to the provider and signs nothing yet."""
        path = provider_path(provider_id, "keys")
        return Call(method="POST", path=path, read=reads(SsoClientKey))

    @endpoint
    def activate_client_key(
        self, provider_id: str | UUID, key_id: str | UUID
    ) -> Call[SsoClientKey]:
        """Sign with the next key from now on."""
        path = provider_path(provider_id, "keys", str(key_id), "activate")
        return Call(method="POST", path=path, read=reads(SsoClientKey))

    @endpoint
    def add_domain(self, domain: str) -> Call[SsoDomain]:
        """Note an e-mail domain to prove; the answer says which TXT record to add."""
        body = {"domain": domain}
        return Call(method="POST", path="/auth/sso/domains", read=reads(SsoDomain), body=body)

    def _domains(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[SsoDomain]]:
        """The domains of the tenant, proved or not."""
        return lists(SsoDomain, "/auth/sso/domains", limit=limit, cursor=cursor)

    domains = endpoint(_domains)
    iterate_domains = pages(_domains)

    @endpoint
    def verify_domain(self, domain_id: str | UUID) -> Call[SsoDomain]:
        """Look for a domain's TXT record now."""
        path = path_of("auth", "sso", "domains", domain_id, "verify")
        return Call(method="POST", path=path, read=reads(SsoDomain))

    @endpoint
    def delete_domain(self, domain_id: str | UUID) -> Call[None]:
        """Call a domain the tenant's no more."""
        path = path_of("auth", "sso", "domains", domain_id)
        return Call(method="DELETE", path=path, read=reads_nothing)

    @endpoint
    def identities(self) -> Call[LinkedIdentities]:
        """The accounts at providers by which one may sign in oneself."""
        return Call(method="GET", path="/auth/identities", read=reads(LinkedIdentities))

    @endpoint
    def begin_link(self, provider: str, /, *, redirect_uri: str | None = None) -> Call[SsoRedirect]:
        """Where to sign in at a provider to link the account there. Finish with `finish_link`."""
        path, body = path_of("auth", "sso", provider, "link"), given(redirect_uri=redirect_uri)
        return Call(method="POST", path=path, read=reads(SsoRedirect), body=body)

    @endpoint
    def finish_link(
        self, *, auth_code: str, state: str, iss: str | None = None
    ) -> Call[LinkedIdentities]:
        """Link the account behind a code with one's own."""
        body = given(auth_code=auth_code, state=state, iss=iss)
        return Call(method="POST", path="/auth/sso/link", read=reads(LinkedIdentities), body=body)

    @endpoint
    def begin_step_up(
        self, provider: str, /, *, redirect_uri: str | None = None
    ) -> Call[SsoRedirect]:
        """Where to prove oneself anew, at a provider that is linked to one's account.

        Instead of `auth.step_up`, for who has no second factor here. Finish with `finish_step_up`;
        at a SAML provider with `saml.finish_step_up`.
        """
        path = path_of("auth", "sso", provider, "step-up")
        body = given(redirect_uri=redirect_uri)
        return Call(method="POST", path=path, read=reads(SsoRedirect), body=body)

    @endpoint
    def finish_step_up(
        self, *, auth_code: str, state: str, iss: str | None = None
    ) -> Operation[Login]:
        """Go on in the session with the proof behind a code, under new tokens, which the client
        uses from now on.

        Raises:
            InvalidRequestError: the provider does not say that it asked anew.
        """
        body = given(auth_code=auth_code, state=state, iss=iss)
        return Opening(Call(method="POST", path="/auth/sso/step-up", read=reads(Login), body=body))

    @endpoint
    def unlink(self, identity_id: str | UUID) -> Call[None]:
        """Sign in by one of these accounts no more."""
        path = path_of("auth", "identities", identity_id)
        return Call(method="DELETE", path=path, read=reads_nothing)
