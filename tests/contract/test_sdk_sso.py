"""The SDK on single sign-on by OpenID Connect."""

from leanvibe import LeanVibeClient
from leanvibe_server.kernel.house import House
from tests.contract.test_sdk import missing, sdk  # noqa: F401  # a fixture
from tests.fakes.oidc_provider import CLIENT_ID, CLIENT_SECRET, FakeProvider, connect


async def test_an_admin_sets_up_openid_connect_and_somebody_signs_in(
    sdk: LeanVibeClient,  # noqa: F811
    house: House,
) -> None:
    idp = FakeProvider(house)
    connect(house, idp)
    added = await sdk.sso.add_provider(
        provider_type="oidc",
        name="Corp",
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        issuer=idp.issuer,
        default_role="viewer",
    )
    assert not missing(added)
    assert (added.slug, added.has_client_secret) == ("oidc", True)
    tested = await sdk.sso.test_provider(added.id)
    assert (tested.success, len(tested.checks)) == (True, 5)
    idp.bend_metadata = lambda document: document.update(
        token_endpoint_auth_methods_supported=["client_secret_basic", "private_key_jwt"]
    )
    by_key = {"token_endpoint_auth_method": "private_key_jwt"}
    await sdk.sso.change_provider(added.id, settings=by_key)
    following = await sdk.sso.prepare_client_key(added.id)
    assert (await sdk.sso.activate_client_key(added.id, following.id)).status == "current"
    ours = await sdk.sso.client_keys(added.id)
    assert (not missing(ours), [key.id for key in ours.client_keys]) == (True, [following.id])
    await sdk.sso.change_provider(added.id, settings={"token_endpoint_auth_method": None})
    renamed = await sdk.sso.change_provider(added.id, provider_name="New")
    assert renamed.provider_name == "New"
    assert [p.id for p in await sdk.sso.providers()] == [added.id]
    assert (await sdk.sso.provider(added.id)).provider_name == "New"
    domain = await sdk.sso.add_domain("sdk-of-corp.com")
    assert (not missing(domain), domain.status) == (True, "pending")
    assert [d.domain for d in await sdk.sso.domains()] == ["sdk-of-corp.com"]
    await sdk.sso.delete_domain(domain.id)
    assert (await sdk.sso.discover(email="a@b.example")).methods == ["password"]
    assert (await sdk.sso.identities()).data == []
    assert (await sdk.sso.disable_provider(added.id)).enabled is False
    assert (await sdk.sso.enable_provider(added.id)).enabled is True
    tenant = added.to_dict()["tenant_id"]
    begun = await sdk.sso.begin("oidc", tenant=tenant, login_hint="ada@corp.example", next="/tasks")
    back = idp.authorize(begun.redirect_url)
    signed_in = await sdk.auth.login(
        email="ada@corp.example", provider="oidc", auth_code=back["code"], state=back["state"]
    )
    assert signed_in.user.email == "ada@corp.example"
    assert len((await sdk.sso.identities()).data) == 1
