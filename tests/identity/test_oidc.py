"""Sign-in by OpenID Connect: from the way out to a session, and what a provider may be held to."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.fakes.oidc_provider import (
    Person,
    connect,
)
from tests.given import Organisation, organisation
from tests.identity.given_people import add_person
from tests.identity.given_providers import change_provider, verify_domain
from tests.identity.oidc_world import World, make_world, query_of, refused, sessions_of


async def test_a_program_signs_somebody_in_by_code_and_state(
    world: World, admin: asyncpg.Connection
) -> None:
    answer = await world.sign_in()
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["user"]["email"], body["user"]["role"]) == ("ada@corp.example", "developer")
    me = await world.client.get(
        "/v1/auth/me", headers={"Authorization": f"Bearer {body['access_token']}"}
    )
    assert me.status_code == 200
    session = await admin.fetchrow(
        "SELECT * FROM sessions WHERE id = $1", me.json()["session"]["id"]
    )
    assert session["amr"] == ["fed"]
    assert (session["provider_id"], session["remote_session"]) == (world.provider.id, "session-1")


async def test_the_printed_form_of_a_sign_in_by_code_works_too(world: World) -> None:
    begun = await world.begin()
    back = world.idp.authorize(begun["redirect_url"])
    answer = await world.client.post(
        "/api/v1/auth/sso/login",
        json={
            "provider": world.provider.type,
            "tenant_id": str(world.organisation.id),
            "authorization_code": back["code"],
            "redirect_uri": query_of(begun["redirect_url"])["redirect_uri"],
            "state": back["state"],
        },
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["token_type"] == "bearer"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("named_by", ["slug", "id", "query", "domain"])
async def test_the_tenant_is_found_by_header_parameter_or_address(
    world: World, method: str, named_by: str
) -> None:
    tenant = world.organisation.tenant
    if named_by == "domain":
        domain = f"{tenant.slug}.example"
        await verify_domain(world.organisation.house, world.organisation, domain)
    headers = {
        "slug": {"X-Tenant-Slug": tenant.slug},
        "id": {"X-Tenant-ID": str(tenant.id)},
    }.get(named_by, {})
    params = {
        "query": {"tenant": tenant.slug},
        "domain": {"email": f"ada@{tenant.slug}.example"},
    }.get(named_by, {})
    answer = await world.client.request(
        method, f"/v1/auth/sso/{world.provider.slug}", headers=headers, params=params
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["redirect_url"].startswith("https://idp.example.com/authorize?")


async def test_an_unknown_tenant_and_an_unknown_provider_answer_alike(world: World) -> None:
    async def ask(tenant: str, provider: str) -> dict[str, Any]:
        answer = await world.client.get(
            f"/v1/auth/sso/{provider}", headers={"X-Tenant-Slug": tenant}
        )
        assert answer.status_code == 404
        body: dict[str, Any] = answer.json()
        return {name: body[name] for name in ("error", "message", "details")}

    slug = world.organisation.tenant.slug
    await change_provider(world.organisation.house, world.provider, enabled=False)
    answers = [
        await ask("nobody-here", "google"),
        await ask(slug, "nonsense"),
        await ask(slug, world.provider.slug),
        await ask("platform", "google"),
    ]
    assert all(answer == answers[0] for answer in answers)


async def test_sec_oauth_oidc_rp_01_a_state_is_needed_and_good_once(
    world: World, admin: asyncpg.Connection
) -> None:
    before = await sessions_of(admin, world)
    back = await world.come_back()
    for state in (None, "", "nonsense", "0" * 65, back["state"][:-1] + "0"):
        answer = await world.finish(back, state=state)
        assert answer.status_code == 400, state
    assert await sessions_of(admin, world) == before
    assert (await world.finish(back)).status_code == 200
    again = await world.finish(await world.come_back() | {"state": back["state"]})
    assert (again.status_code, again.json()["details"]["reason"]) == (400, "state_invalid")


async def test_sec_oauth_oidc_rp_01_a_state_used_by_two_at_once_is_good_for_one(
    world: World,
) -> None:
    back = await world.come_back()
    answers = await asyncio.gather(*(world.finish(back) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]


async def test_sec_oauth_oidc_rp_01_a_state_is_good_for_ten_minutes(
    world: World, clock: FakeClock
) -> None:
    back = await world.come_back()
    clock.advance(minutes=10)
    answer = await world.finish(back)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (400, "state_invalid")


async def test_a_state_of_another_provider_tenant_or_redirect_uri_does_not_hold(
    world: World, globex: Organisation
) -> None:
    for wrong in (
        {"provider": "google"},
        {"tenant_id": str(globex.id)},
        {"redirect_uri": "https://evil.example/callback"},
    ):
        answer = await world.finish(await world.come_back(), **wrong)
        assert (answer.status_code, answer.json()["details"]["reason"]) == (400, "state_invalid")


async def test_only_the_hash_of_a_state_is_kept(world: World, admin: asyncpg.Connection) -> None:
    begun = await world.begin()
    asked = query_of(begun["redirect_url"])
    row = dict(
        await admin.fetchrow("SELECT * FROM oidc_flows WHERE tenant_id = $1", world.organisation.id)
    )
    kept = " ".join(map(str, row.values()))
    for secret in (asked["state"], asked["nonce"], asked["code_challenge"]):
        assert secret not in kept


async def test_a_failed_sign_in_stands_in_the_log_with_its_reason(
    world: World, admin: asyncpg.Connection
) -> None:
    world.idp.bend_claims = lambda claims: claims.update(aud="another client")
    await refused(world, "provider_answer_invalid")
    reason = await admin.fetchval(
        """SELECT payload->>'reason' FROM events
        WHERE tenant_id = $1 AND name = 'user.login_failed' ORDER BY id DESC LIMIT 1""",
        world.organisation.id,
    )
    assert reason == "sign-in by Company login: aud is not this client"


async def test_a_silent_provider_is_a_503_and_no_guess(world: World) -> None:
    back = await world.come_back()
    connect(world.organisation.house)
    answer = await world.finish(back)
    assert answer.status_code == 503
    assert answer.json()["details"]["reason"] == "provider_unreachable"


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_the_client_proves_itself_as_the_provider_asks(world: World, method: str) -> None:
    world.idp.bend_metadata = lambda document: document.update(
        token_endpoint_auth_methods_supported=[method]
    )
    assert (await world.sign_in()).status_code == 200
    sent = next(r for r in world.idp.requests if r.url.path == "/token")
    assert ("authorization" in sent.headers) == (method == "client_secret_basic")
    assert ("client_secret" in sent.content.decode()) == (method == "client_secret_post")


async def test_a_redirect_uri_of_a_program_is_registered_to_the_letter(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    own = "http://127.0.0.1:9999/callback"
    world = await make_world(client, acme, configuration={"settings": {"redirect_uris": [own]}})
    world.idp.redirect_uris.append(own)
    back = await world.come_back(redirect_uri=own)
    assert (await world.finish(back, redirect_uri=own)).status_code == 200
    for wrong in (
        own + "/",
        own + "?a=b",
        "http://127.0.0.1:9998/callback",
        "https://evil.example",
    ):
        answer = await client.get(
            f"/v1/auth/sso/{world.provider.slug}",
            params={"redirect_uri": wrong},
            headers={"X-Tenant-Slug": acme.tenant.slug},
        )
        assert answer.status_code == 400, wrong
        assert answer.json()["details"]["field"] == "redirect_uri"


async def test_a_suspended_plan_downgrade_stops_the_way_in(
    world: World, admin: asyncpg.Connection
) -> None:
    back = await world.come_back()
    await admin.execute(
        "UPDATE tenants SET plan = 'developer' WHERE id = $1", world.organisation.id
    )
    answer = await world.finish(back)
    assert answer.status_code == 403
    assert answer.json()["upgrade_options"]


async def test_groups_of_the_id_token_or_userinfo_give_the_role(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    rules = [
        {"claim": "groups", "value": "leads", "role": "manager"},
        {"claim": "realm_access.roles", "value": "it", "role": "admin"},
    ]
    world = await make_world(client, acme, role_mapping={"rules": rules}, default_role="viewer")
    lead = Person(subject="lead", email="lead@corp.example", claims={"groups": ["leads"]})
    assert (await world.sign_in(lead)).json()["user"]["role"] == "manager"
    nested = Person(
        subject="it", email="it@corp.example", claims={"realm_access": {"roles": ["it"]}}
    )
    assert (await world.sign_in(nested)).json()["user"]["role"] == "admin"
    lead.claims = {}
    assert (await world.sign_in(lead)).json()["user"]["role"] == "viewer"


async def test_a_google_workspace_that_is_insisted_on_must_be_named(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    settings = {"settings": {"hosted_domain": "corp.example"}}
    world = await make_world(client, acme, type="google", configuration=settings)
    await refused(world, "provider_answer_invalid")
    world.idp.bend_claims = lambda claims: claims.update(hd="corp.example")
    assert (await world.sign_in()).status_code == 200


async def test_entra_says_by_its_own_claim_that_an_address_is_proved(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    world = await make_world(client, acme, type="microsoft")
    domain = f"{acme.tenant.slug}.example"
    await verify_domain(acme.house, acme, domain)
    local = await add_person(acme.house, acme, email=f"bob@{domain}", role="developer")
    bob = Person(email=local.email, email_verified=None)
    assert (await world.sign_in(bob)).json()["details"]["reason"] == "linking_required"
    world.idp.bend_claims = lambda claims: claims.update(xms_edov=True)
    assert (await world.sign_in(bob)).json()["user"]["id"] == str(local.id)


async def test_another_tenant_s_provider_with_the_same_issuer_opens_nothing_here(
    world: World, house: House, client: httpx.AsyncClient
) -> None:
    first = await world.sign_in()
    assert first.status_code == 200, first.text
    other = await organisation(house, plan="enterprise", name="Other", roles=("owner",))
    there = await make_world(client, other)
    there.idp = world.idp
    connect(house, world.idp)
    second = await there.sign_in()
    assert second.status_code == 200, second.text
    assert first.json()["user"]["id"] != second.json()["user"]["id"]
    assert second.json()["user"]["tenant_id"] == str(other.id)
