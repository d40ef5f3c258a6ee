"""The SDK on SAML."""

import pytest

from leanvibe import LeanVibeClient, exceptions
from leanvibe_server.identity.federation import service as providers
from leanvibe_server.identity.federation.protocols import Departure
from tests.contract.test_sdk import missing, sdk  # noqa: F401  # a fixture
from tests.given import Organisation
from tests.identity.given_people import system_scope
from tests.identity.given_providers import link_identity
from tests.identity.saml.documents import metadata, signed_response
from tests.identity.saml.provider import Connected, Flow, posted


async def test_an_admin_sets_up_saml(sdk: LeanVibeClient) -> None:  # noqa: F811
    added = await sdk.saml.add_provider(
        name="Corp",
        metadata_xml=metadata(),
        default_role="viewer",
        role_mapping=[{"claim": "groups", "value": "leads", "role": "manager"}],
        idp_initiated=True,
    )
    assert not missing(added)
    assert added.settings["idp_initiated"] is True
    again = await sdk.saml.import_metadata(added.id, metadata_xml=metadata())
    assert again.id == added.id
    made = await sdk.saml.prepare_key()
    assert (not missing(made), made.status) == (True, "next")
    await sdk.saml.withdraw_key(made.id)
    used = await sdk.saml.activate_key((await sdk.saml.prepare_key()).id)
    told = await sdk.saml.metadata(added.id)
    assert not missing(told)
    assert (told.refreshed, len(told.certificates)) == (False, 1)
    ours = await sdk.saml.service_provider()
    assert not missing(ours)
    assert ours.certificates[0].id == used.id
    with pytest.raises(exceptions.LeanVibeError):
        await sdk.saml.add_provider(name="Corp", metadata_xml="<x/>")


async def test_a_response_goes_on_with_the_new_tokens(
    sdk: LeanVibeClient,  # noqa: F811
    acme: Organisation,
) -> None:
    corp = Connected(acme, (await sdk.saml.add_provider(name="Corp", metadata_xml=metadata())).id)
    async with acme.house.database.tenant(acme.id) as conn:
        scope = system_scope(acme.house, acme, conn)
        provider = await providers.require_provider(scope, corp.provider_id)
    me = await sdk.auth.me()
    await link_identity(acme.house, provider, me.id, corp.email)
    way = await sdk.sso.begin_step_up("saml")
    flow = Flow(corp, Departure(url=way.redirect_url, state=way.state, expires_in=way.expires_in))
    response = posted(signed_response(flow.facts()))["SAMLResponse"]
    assert not missing(await sdk.saml.finish_step_up(saml_response=response, state=way.state))
    assert not missing(await sdk.auth.me())
