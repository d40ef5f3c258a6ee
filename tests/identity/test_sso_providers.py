"""Identity providers over the API: added, changed, tested, turned off, and never talkative."""

import re
from typing import Any

import asyncpg
import httpx
import pytest

from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.outbound import OutboundClient
from tests.conftest import FakeClock
from tests.fakes.oidc_provider import CLIENT_SECRET, FakeProvider, connect
from tests.given import Organisation, organisation
from tests.identity.oidc_world import make_world

SECRET = "google-client-secret"


def printed(tenant: Organisation, **fields: Any) -> dict[str, Any]:
    return {
        "tenant_id": str(tenant.id),
        "provider_type": "google",
        "provider_name": "Google SSO",
        "client_id": "google-client-id",
        "client_secret": SECRET,
    } | fields


async def create(
    client: httpx.AsyncClient, tenant: Organisation, role: str = "owner", **fields: Any
) -> httpx.Response:
    headers = await tenant.headers(client, role)
    return await client.post(
        "/api/v1/auth/sso/providers", json=printed(tenant, **fields), headers=headers
    )


async def test_the_printed_request_adds_google(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    connect(acme.house)
    answer = await create(client, acme)
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["issuer"], body["slug"]) == ("https://accounts.google.com", "google")
    assert re.fullmatch(r"http://localhost:8765/auth/sso/callback/\w+/google", body["redirect_uri"])
    assert SECRET not in answer.text
    headers = await acme.headers(client)
    listed = await client.get("/v1/auth/sso/providers", headers=headers)
    one = await client.get(f"/v1/auth/sso/providers/{body['id']}", headers=headers)
    assert SECRET not in listed.text + one.text
    assert one.json()["has_client_secret"] is True
    row = await admin.fetchrow("SELECT * FROM sso_providers WHERE id = $1", body["id"])
    assert SECRET.encode() not in row["client_secret_sealed"]
    assert SECRET not in str(
        await admin.fetch("SELECT payload FROM events WHERE tenant_id = $1", acme.id)
    )


async def test_another_tenant_in_the_body_is_refused(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    connect(acme.house)
    for named in (str(globex.id), globex.tenant.slug, "nonsense"):
        assert (await create(client, acme, tenant_id=named)).status_code == 403
    assert (await create(client, acme, tenant_id=acme.tenant.slug)).status_code == 201


async def test_the_plan_must_hold_single_sign_on(
    client: httpx.AsyncClient, globex: Organisation
) -> None:
    answer = await create(client, globex)
    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
    assert [option["plan"] for option in answer.json()["upgrade_options"]] == ["team", "enterprise"]


@pytest.mark.parametrize("role", ["manager", "developer", "viewer", "guest"])
async def test_only_administrators_add_providers(
    client: httpx.AsyncClient, acme: Organisation, role: str
) -> None:
    assert (await create(client, acme, role)).status_code == 403


async def test_a_change_asks_for_a_fresh_proof(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    headers = await acme.headers(client)
    clock.advance(minutes=11)
    answer = await client.post("/v1/auth/sso/providers", json=printed(acme), headers=headers)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (403, "step_up_required")


@pytest.mark.parametrize("role", ["owner", "platform_admin", "nonsense"])
async def test_no_provider_gives_a_role_that_rules(
    client: httpx.AsyncClient, acme: Organisation, role: str
) -> None:
    connect(acme.house)
    assert (await create(client, acme, default_role=role)).status_code in (400, 403)
    rules = [{"claim": "groups", "value": "all", "role": role}]
    assert (await create(client, acme, role_mapping=rules)).status_code in (400, 403)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"provider_type": "microsoft"}, "settings.tenant"),
        ({"provider_type": "microsoft", "settings": {"tenant": "common"}}, "settings.tenant"),
        ({"provider_type": "microsoft", "settings": {"tenant": "../x"}}, "settings.tenant"),
        ({"provider_type": "okta"}, "settings.domain"),
        ({"provider_type": "okta", "settings": {"domain": "evil.example"}}, "settings.domain"),
        (
            {"provider_type": "okta", "settings": {"domain": "a.okta.com.evil.example"}},
            "settings.domain",
        ),
        ({"provider_type": "oidc"}, "issuer"),
        ({"provider_type": "oidc", "issuer": "ftp://idp.example.com"}, "issuer"),
        ({"provider_type": "oidc", "issuer": "https://u:p@idp.example.com"}, "issuer"),
        ({"provider_type": "oidc", "issuer": "https://idp.example.com/?a=b"}, "issuer"),
        ({"provider_type": "oidc", "issuer": "https://idp.example.com/#x"}, "issuer"),
        ({"provider_type": "oidc", "issuer": "https://idp.example.com/a/../b"}, "issuer"),
        ({"provider_type": "oidc", "issuer": "javascript:alert(1)"}, "issuer"),
        ({"provider_type": "oidc", "discovery_url": "https://idp.example.com/x"}, "discovery_url"),
        ({"provider_type": "magic"}, "provider_type"),
        ({"client_id": None}, "client_id"),
        ({"client_secret": None}, "client_secret"),
    ],
    ids=str,
)
async def test_what_is_missing_or_wrong_is_named(
    client: httpx.AsyncClient, acme: Organisation, fields: dict[str, Any], field: str
) -> None:
    connect(acme.house)
    answer = await create(client, acme, **fields)
    assert answer.status_code == 400, answer.text
    assert answer.json()["details"]["field"] == field


@pytest.mark.parametrize(
    "named",
    [
        "https://idp.example.com/",
        "https://idp.example.com.evil.example",
        "https://idp.example.com/tenant/..",
        "http://idp.example.com",
        None,
    ],
)
async def test_sec_oauth_oidc_rp_06_the_document_names_the_issuer_to_the_letter(
    client: httpx.AsyncClient, acme: Organisation, named: str | None
) -> None:
    idp = FakeProvider(acme.house)
    idp.bend_metadata = lambda document: document.update(issuer=named)
    connect(acme.house, idp)
    for wanted in (
        {"issuer": idp.issuer},
        {"discovery_url": f"{idp.issuer}/.well-known/openid-configuration"},
    ):
        answer = await create(client, acme, provider_type="oidc", **wanted)
        assert (answer.status_code, answer.json()["details"]["field"]) == (400, "issuer")
    idp.bend_metadata = None
    assert (await create(client, acme, provider_type="oidc", issuer=idp.issuer)).status_code == 201


@pytest.mark.parametrize(
    "endpoint",
    [
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": "file:///etc/passwd"},
        {"jwks_uri": None},
        {"userinfo_endpoint": "https://u:p@idp.example.com/"},
        {"response_types_supported": ["id_token"]},
    ],
    ids=str,
)
async def test_a_document_with_tricks_in_it_is_refused(
    client: httpx.AsyncClient, acme: Organisation, endpoint: dict[str, Any]
) -> None:
    idp = FakeProvider(acme.house)
    idp.bend_metadata = lambda document: document.update(endpoint)
    connect(acme.house, idp)
    assert (await create(client, acme, provider_type="oidc", issuer=idp.issuer)).status_code == 400


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1"]
)
async def test_sec_oauth_oidc_rp_08_discovery_leads_into_no_private_network(
    client: httpx.AsyncClient, acme: Organisation, house: House, address: str
) -> None:
    idp = FakeProvider(house)
    connect(house, idp)
    outbound = house.part(OutboundClient)

    async def resolve(host: str, port: int) -> list[str]:
        return [address]

    outbound.resolve, outbound.allow_private = resolve, False
    answer = await create(client, acme, provider_type="oidc", issuer=idp.issuer)
    assert answer.status_code == 400
    assert idp.requests == []
    assert address not in answer.text


async def test_sec_oauth_oidc_rp_08_endpoints_inside_a_document_lead_there_neither(
    client: httpx.AsyncClient, acme: Organisation, house: House
) -> None:
    world = await make_world(client, acme)
    outbound = house.part(OutboundClient)

    async def resolve(host: str, port: int) -> list[str]:
        return ["169.254.169.254"] if host == "metadata.internal.example" else ["8.8.8.8"]

    outbound.resolve = resolve
    world.idp.bend_metadata = lambda document: document.update(
        token_endpoint="https://metadata.internal.example/latest"
    )
    answer = await world.sign_in()
    assert answer.status_code == 503
    assert all("metadata" not in str(request.url) for request in world.idp.requests)


async def test_a_test_says_what_it_found(client: httpx.AsyncClient, acme: Organisation) -> None:
    world = await make_world(client, acme)
    path = f"/v1/auth/sso/providers/{world.provider.id}/test"
    headers = await acme.headers(client)
    good = (await client.post(path, headers=headers)).json()
    assert good["success"] is True
    assert [check["name"] for check in good["checks"]] == [
        "discovery",
        "keys",
        "algorithms",
        "client",
        "pkce",
    ]
    world.idp.keys = []
    bad = (await client.post(path, headers=headers)).json()
    assert (bad["success"], bad["checks"][1]["ok"]) == (False, False)
    connect(acme.house)
    assert (await client.post(path, headers=headers)).json()["success"] is False


@pytest.mark.parametrize("how", ["disable", "delete"])
async def test_turning_a_provider_off_ends_the_sessions_it_opened(
    client: httpx.AsyncClient, acme: Organisation, how: str
) -> None:
    world = await make_world(client, acme)
    signed_in = (await world.sign_in()).json()
    bearer = {"Authorization": f"Bearer {signed_in['access_token']}"}
    headers = await acme.headers(client)
    path = f"/v1/auth/sso/providers/{world.provider.id}"
    answer = (
        await client.delete(path, headers=headers)
        if how == "delete"
        else await client.post(f"{path}/disable", headers=headers)
    )
    assert answer.is_success
    assert (await client.get("/v1/auth/me", headers=bearer)).status_code == 401
    fresh = await client.post(
        "/v1/auth/refresh", json={"refresh_token": signed_in["refresh_token"]}
    )
    assert fresh.status_code == 401
    assert (await client.get("/v1/auth/me", headers=headers)).status_code == 200
    if how == "disable":
        assert (await client.post(f"{path}/enable", headers=headers)).json()["enabled"] is True
        assert (await world.sign_in()).status_code == 200


async def test_a_change_keeps_what_is_not_named_and_the_issuer_for_good(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    world = await make_world(client, acme)
    headers = await acme.headers(client)
    path = f"/v1/auth/sso/providers/{world.provider.id}"
    changed = await client.patch(
        path,
        json={
            "provider_name": "New name",
            "issuer": world.idp.issuer,
            "settings": {"scopes": ["email"], "redirect_uris": ["http://localhost:1/x"]},
        },
        headers=headers,
    )
    assert changed.status_code == 200, changed.text
    body = changed.json()
    assert (body["provider_name"], body["issuer"]) == ("New name", world.idp.issuer)
    assert body["settings"]["scopes"] == ["openid", "email"]
    assert (await world.sign_in()).status_code == 200
    for other in ({"issuer": "https://evil.example"}, {"provider_type": "google"}):
        kept = await client.patch(path, json=other, headers=headers)
        assert kept.status_code == 400
        assert "for good" in kept.json()["message"]
    wrong = await client.patch(
        path, json={"settings": {"redirect_uris": ["http://evil.example/x#y"]}}, headers=headers
    )
    assert wrong.status_code == 400
    secret = await client.patch(path, json={"client_secret": "another"}, headers=headers)
    assert secret.status_code == 200
    assert (await world.sign_in()).status_code == 400
    await client.patch(path, json={"client_secret": CLIENT_SECRET}, headers=headers)
    assert (await world.sign_in()).status_code == 200


async def test_two_providers_of_a_kind_have_names_of_their_own(
    client: httpx.AsyncClient, house: House
) -> None:
    connect(house)
    tenant = await organisation(house, plan="team", name="Two", roles=("owner",))
    slugs = [(await create(client, tenant)).json()["slug"] for _ in range(3)]
    assert slugs == ["google", "google-sso", "google-sso-2"]
    reserved = await create(client, tenant, provider_name="Callback")
    assert reserved.json()["slug"] == "google-callback"


async def test_a_person_links_by_program_and_cannot_take_the_last_way_in_away(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    world = await make_world(client, acme)
    headers = await acme.headers(client, "viewer")
    begun = await client.post(f"/v1/auth/sso/{world.provider.slug}/link", headers=headers)
    back = world.idp.authorize(begun.json()["redirect_url"])
    finish = {"auth_code": back["code"], "state": back["state"]}
    as_login = await world.finish(back)
    assert as_login.json()["details"]["reason"] == "state_invalid"
    stranger = await acme.headers(client, "developer")
    stolen = await client.post("/v1/auth/sso/link", json=finish, headers=stranger)
    assert stolen.status_code == 400
    linked = await client.post("/v1/auth/sso/link", json=finish, headers=headers)
    assert [entry["email"] for entry in linked.json()["data"]] == ["ada@corp.example"]
    signed_in = (await world.sign_in()).json()
    assert signed_in["user"]["id"] == str(acme.people["viewer"].id)
    again = await client.post(f"/v1/auth/sso/{world.provider.slug}/link", headers=stranger)
    taken = world.idp.authorize(again.json()["redirect_url"])
    answer = await client.post(
        "/v1/auth/sso/link",
        json={"auth_code": taken["code"], "state": taken["state"]},
        headers=stranger,
    )
    assert (answer.status_code, answer.json()["details"]["reason"]) == (409, "linked_elsewhere")


async def test_the_only_way_in_stays(client: httpx.AsyncClient, acme: Organisation) -> None:
    world = await make_world(client, acme)
    signed_in = (await world.sign_in()).json()
    bearer = {"Authorization": f"Bearer {signed_in['access_token']}"}
    own = (await client.get("/v1/auth/identities", headers=bearer)).json()["data"]
    assert [entry["provider_name"] for entry in own] == ["Company login"]
    answer = await client.delete(f"/v1/auth/identities/{own[0]['id']}", headers=bearer)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (409, "last_way_in")


async def test_a_setting_that_is_misspelt_is_refused_and_restricts_nothing_silently(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    world = await make_world(client, acme)
    headers = await acme.headers(client)
    answer = await client.patch(
        f"/v1/auth/sso/providers/{world.provider.id}",
        json={"settings": {"hosted_domian": "corp.example"}},
        headers=headers,
    )
    assert answer.status_code == 400
    assert answer.json()["details"]["field"] == "settings.hosted_domian"


async def test_a_change_turns_a_provider_off_and_on_like_the_verbs(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    world = await make_world(client, acme)
    headers, path = await acme.headers(client), f"/v1/auth/sso/providers/{world.provider.id}"
    tokens = (await world.sign_in()).json()
    off = await client.patch(path, json={"enabled": False}, headers=headers)
    assert (off.status_code, off.json()["enabled"]) == (200, False)
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await client.get("/v1/auth/me", headers=bearer)).status_code == 401
    on = await client.patch(path, json={"enabled": True}, headers=headers)
    assert on.json()["enabled"] is True
    assert (await client.get("/v1/auth/me", headers=bearer)).status_code == 401
    assert (await world.sign_in()).status_code == 200
