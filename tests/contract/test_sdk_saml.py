"""The SDK on SAML."""

import pytest

from leanvibe import LeanVibeClient, exceptions
from tests.contract.test_sdk import missing, sdk  # noqa: F401  # a fixture
from tests.identity.saml.documents import metadata


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
    ours = await sdk.saml.service_provider()
    assert not missing(ours)
    assert ours.certificates[0].id == used.id
    with pytest.raises(exceptions.LeanVibeError):
        await sdk.saml.add_provider(name="Corp", metadata_xml="<x/>")
