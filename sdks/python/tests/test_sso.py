"""Single sign-on by a program: discovery, linking, and a fresh proof at the provider."""

from __future__ import annotations

from loopback import LoopbackApi, Reply

from leanvibe import LeanVibeClient, LeanVibeClientSync

WAY = {
    "provider": "okta",
    "redirect_url": "https://idp.example.com/authorize?state=s1",
    "state": "s1",
    "expires_in": 600,
}


def test_a_fresh_proof_goes_on_under_new_tokens(
    api: LoopbackApi, client: LeanVibeClientSync
) -> None:
    api.answer("POST", "/v1/auth/login", Reply(200, api.login_shape()))
    api.answer("POST", "/v1/auth/sso/okta/step-up", Reply(200, WAY))
    api.answer("POST", "/v1/auth/sso/step-up", Reply(200, api.login_shape()))
    api.answer("GET", "/v1/auth/me", Reply(200, {"id": "u1"}))

    client.auth.login(email="dev@acme.test", password="right")
    way = client.sso.begin_step_up("okta")
    proved = client.sso.finish_step_up(auth_code="c1", state=way.state)
    client.auth.me()

    assert api.seen[1].headers["authorization"] == "Bearer access-0"
    assert api.seen[2].body == {"auth_code": "c1", "state": "s1"}
    assert api.seen[3].headers["authorization"] == f"Bearer {proved.access_token}"


def test_an_account_is_linked_by_code(api: LoopbackApi, client: LeanVibeClientSync) -> None:
    api.answer("POST", "/v1/auth/sso/okta/link", Reply(200, WAY))
    api.answer("POST", "/v1/auth/sso/link", Reply(200, {"data": []}))

    way = client.sso.begin_link("okta", redirect_uri="http://localhost:9000/back")
    linked = client.sso.finish_link(auth_code="c1", state=way.state, iss="https://idp.example.com")

    assert api.seen[0].body == {"redirect_uri": "http://localhost:9000/back"}
    assert api.seen[1].body["iss"] == "https://idp.example.com"
    assert linked.data == []


def test_an_organisation_is_asked_for_its_ways_in_by_name(
    api: LoopbackApi, client: LeanVibeClientSync
) -> None:
    found = {"methods": ["sso"], "provider": None, "providers": []}
    api.answer("POST", "/v1/auth/discover", Reply(200, found))

    ways = client.sso.discover(tenant="acme")

    assert api.seen[0].body == {"tenant": "acme"}
    assert ways.methods == ["sso"]


def test_a_saml_response_proves_anew_under_new_tokens(
    api: LoopbackApi, client: LeanVibeClientSync
) -> None:
    api.answer("POST", "/v1/auth/login", Reply(200, api.login_shape()))
    api.answer("POST", "/v1/auth/sso/saml/step-up", Reply(200, WAY))
    api.answer("POST", "/v1/auth/saml/step-up", Reply(200, api.login_shape()))
    api.answer("GET", "/v1/auth/me", Reply(200, {"id": "u1"}))

    client.auth.login(email="dev@acme.test", password="right")
    way = client.sso.begin_step_up("saml")
    proved = client.saml.finish_step_up(saml_response="PHg+", state=way.state)
    client.auth.me()

    assert api.seen[2].body == {"saml_response": "PHg+", "state": "s1"}
    assert api.seen[3].headers["authorization"] == f"Bearer {proved.access_token}"


async def test_the_way_to_a_provider_is_asked_for_with_all_that_the_api_takes(
    api: LoopbackApi, client: LeanVibeClientSync, aclient: LeanVibeClient
) -> None:
    api.answer("POST", "/v1/auth/sso/okta", Reply(200, WAY))
    wanted = {"login_hint": "ada@corp.example", "domain_hint": "corp.example", "next": "/tasks"}

    client.sso.begin("okta", **wanted)
    way = await aclient.sso.begin("okta", **wanted)

    assert [seen.body for seen in api.seen] == [wanted, wanted]
    assert way.state == "s1"
