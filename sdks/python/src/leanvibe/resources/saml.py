"""Single sign-on by SAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from leanvibe._faces import Resource, Runner, endpoint
from leanvibe._operations import Call, Operation, given, path_of, reads, reads_nothing
from leanvibe.models import Login, SamlKey, SamlMetadata, SamlProvider, SamlServiceProvider
from leanvibe.resources.auth import Opening
from leanvibe.resources.sso import provider_path


class Saml(Resource[Runner]):
    """The tenant as a SAML service provider, and the identity providers it trusts."""

    @endpoint
    def service_provider(self) -> Call[SamlServiceProvider]:
        """What to enter at the identity provider, and one's certificates with their ends."""
        path = "/auth/saml/service-provider"
        return Call(method="GET", path=path, read=reads(SamlServiceProvider))

    @endpoint
    def add_provider(
        self,
        /,
        *,
        name: str,
        metadata_xml: str | None = None,
        metadata_url: str | None = None,
        default_role: str | None = None,
        role_mapping: Sequence[Mapping[str, str]] | None = None,
        **settings: Any,
    ) -> Call[SamlProvider]:
        """Trust an identity provider by its metadata, sent along or read from its address.

        `settings` are further ones, such as `idp_initiated=True`.
        """
        body = given(
            provider_name=name,
            default_role=default_role,
            role_mapping=None if role_mapping is None else [dict(rule) for rule in role_mapping],
        )
        chosen = given(metadata_xml=metadata_xml, metadata_url=metadata_url)
        return Call(
            method="POST",
            path="/auth/sso/providers",
            read=reads(SamlProvider),
            body={**body, "provider_type": "saml", "settings": {**settings, **chosen}},
        )

    @endpoint
    def import_metadata(
        self, provider_id: str | UUID, *, metadata_xml: str | None = None
    ) -> Call[SamlProvider]:
        """Import a provider's metadata anew, from the text or from the address it came from."""
        return Call(
            method="PATCH",
            path=provider_path(provider_id),
            read=reads(SamlProvider),
            body={"settings": given(metadata_xml=metadata_xml)},
        )

    @endpoint
    def metadata(self, provider_id: str | UUID) -> Call[SamlMetadata]:
        """A provider's certificates and their ends, and how reading its metadata again goes."""
        path = provider_path(provider_id, "metadata")
        return Call(method="GET", path=path, read=reads(SamlMetadata))

    @endpoint
    def finish_step_up(self, *, saml_response: str, state: str) -> Operation[Login]:
        """Go on in the session with the proof of a response, under new tokens, which the client
        uses from now on. Begin with `sso.begin_step_up`.

        Raises:
            InvalidRequestError: the provider does not say that it asked anew.
        """
        body = {"saml_response": saml_response, "state": state}
        return Opening(Call(method="POST", path="/auth/saml/step-up", read=reads(Login), body=body))

    @endpoint
    def prepare_key(self) -> Call[SamlKey]:
        """Prepare the next certificate: it appears in the metadata and signs nothing yet."""
        return Call(method="POST", path="/auth/saml/keys", read=reads(SamlKey))

    @endpoint
    def activate_key(self, key_id: str | UUID) -> Call[SamlKey]:
        """Use the next certificate from now on."""
        path = path_of("auth", "saml", "keys", key_id, "activate")
        return Call(method="POST", path=path, read=reads(SamlKey))

    @endpoint
    def withdraw_key(self, key_id: str | UUID) -> Call[None]:
        """Take the next certificate back."""
        path = path_of("auth", "saml", "keys", key_id)
        return Call(method="DELETE", path=path, read=reads_nothing)
