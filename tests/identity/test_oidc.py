"""Sign-in by OpenID Connect for programs: the way there and back, and every trick on the way."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest
from joserfc.jwk import OctKey

from leanvibe_server.identity.federation import repository as provider_rows
from leanvibe_server.identity.oidc.errors import said_by_provider
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.outbound import OutboundClient
from tests.conftest import FakeClock
from tests.fakes.oidc_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    FakeProvider,
    Person,
    b64,
    connect,
    new_key,
    new_rsa_key,
    public,
    signed,
    unsigned,
)
from tests.given import Organisation, organisation
from tests.identity.given_people import add_person
from tests.identity.given_providers import add_provider, change_provider, verify_domain
from tests.identity.oidc_world import World, make_world, query_of


@pytest.fixture
async def world(client: httpx.AsyncClient, acme: Organisation) -> World:
    return await make_world(client, acme)


async def sessions_of(admin: asyncpg.Connection, world: World) -> int:
    count: int = await admin.fetchval(
        "SELECT count(*) FROM sessions WHERE tenant_id = $1", world.organisation.id
    )
    return count


async def refused(world: World, reason: str, person: Person | None = None) -> None:
    """A whole sign-in that ends in a 400 with that reason, and in no session."""
    answer = await world.sign_in(person)
    assert answer.status_code == 400, answer.text
    assert answer.json()["details"]["reason"] == reason, answer.text


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


@pytest.mark.parametrize("bent", ["missing", "different", "replayed", "number"])
async def test_sec_oauth_oidc_rp_02_the_nonce_is_that_of_this_sign_in(
    world: World, admin: asyncpg.Connection, bent: str
) -> None:
    earlier = query_of((await world.begin())["redirect_url"])["nonce"]
    before = await sessions_of(admin, world)

    def bend(claims: dict[str, Any]) -> None:
        if bent == "missing":
            del claims["nonce"]
        else:
            claims["nonce"] = {"different": "x" * 43, "replayed": earlier, "number": 7}[bent]

    world.idp.bend_claims = bend
    await refused(world, "provider_answer_invalid")
    assert await sessions_of(admin, world) == before


async def test_sec_oauth_oidc_rp_03_a_code_of_another_sign_in_does_not_fit_the_verifier(
    world: World,
) -> None:
    attackers = await world.come_back(Person(subject="attacker", email="eve@corp.example"))
    victims = await world.come_back()
    answer = await world.finish(victims | {"code": attackers["code"]})
    assert answer.status_code == 400
    assert answer.json()["details"]["reason"] == "provider_answer_invalid"


async def test_sec_oauth_oidc_rp_03_without_pkce_at_the_provider_the_nonce_still_refuses(
    world: World,
) -> None:
    world.idp.checks_pkce = False
    attackers = await world.come_back(Person(subject="attacker", email="eve@corp.example"))
    victims = await world.come_back()
    assert (await world.finish(victims | {"code": attackers["code"]})).status_code == 400


@pytest.mark.parametrize("methods", [None, [], ["plain"], ["S256"]])
async def test_sec_oauth_oidc_rp_04_s256_is_always_sent_and_plain_never(
    world: World, methods: list[str] | None
) -> None:
    def bend(document: dict[str, Any]) -> None:
        document.pop("code_challenge_methods_supported")
        if methods is not None:
            document["code_challenge_methods_supported"] = methods

    world.idp.bend_metadata = bend
    world.idp.checks_pkce = False
    asked = query_of((await world.begin())["redirect_url"])
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["code_challenge"]) == 43
    assert (await world.sign_in()).status_code == 200
    sent = next(r for r in world.idp.requests if r.url.path == "/token").content.decode()
    assert "code_verifier=" in sent
    assert asked["code_challenge"] not in sent


async def test_sec_oauth_oidc_rp_05_an_answer_of_another_provider_is_not_mixed_in(
    world: World, admin: asyncpg.Connection
) -> None:
    other = FakeProvider(world.organisation.house, issuer="https://other.example.com")
    connect(world.organisation.house, world.idp, other)
    world.idp.promises_iss = True
    before = await sessions_of(admin, world)
    for iss in (other.issuer, f"{world.idp.issuer}/", ""):
        answer = await world.finish(await world.come_back() | {"iss": iss})
        assert (answer.status_code, answer.json()["details"]["reason"]) == (400, "issuer_mismatch")
    assert world.idp.calls_to("/token") == 0
    assert await sessions_of(admin, world) == before
    await add_provider(world.organisation.house, world.organisation, issuer=other.issuer)
    answer = await world.finish(await world.come_back(), iss=None)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (400, "issuer_mismatch")
    assert (await world.sign_in()).status_code == 200


async def test_sec_oauth_oidc_rp_06_a_document_of_another_issuer_is_refused_at_refresh(
    world: World, clock: FakeClock
) -> None:
    assert (await world.sign_in()).status_code == 200
    for named in ("https://evil.example", "https://idp.example.com/", "https://IDP.example.com"):
        clock.advance(hours=2)
        world.idp.bend_metadata = lambda document, named=named: document.update(issuer=named)
        answer = await world.client.get(
            f"/v1/auth/sso/{world.provider.slug}",
            headers={"X-Tenant-Slug": world.organisation.tenant.slug},
        )
        assert answer.status_code == 400, named
    world.idp.bend_metadata = None
    assert (await world.sign_in()).status_code == 200


async def test_a_document_is_remembered_while_its_host_is_silent(
    world: World, clock: FakeClock
) -> None:
    assert (await world.sign_in()).status_code == 200
    connect(world.organisation.house)
    clock.advance(hours=2)
    assert (await world.begin())["redirect_url"].startswith(world.idp.issuer)
    clock.advance(hours=23)
    answer = await world.client.get(
        f"/v1/auth/sso/{world.provider.slug}",
        headers={"X-Tenant-Slug": world.organisation.tenant.slug},
    )
    assert answer.status_code == 503


async def test_sec_oauth_oidc_rp_09_the_client_secret_is_no_signing_key(world: World) -> None:
    secret = OctKey.import_key(CLIENT_SECRET)
    world.idp.sign = lambda header, claims: signed({"alg": "HS256"}, claims, secret)
    await refused(world, "provider_answer_invalid")
    public_key = OctKey.import_key(str(public(world.idp.key)))
    world.idp.sign = lambda header, claims: signed(header | {"alg": "HS256"}, claims, public_key)
    await refused(world, "provider_answer_invalid")
    # Not even where the provider itself says that it would.
    world.idp.bend_metadata = lambda document: document.update(
        id_token_signing_alg_values_supported=["HS256", "none", "ES256"]
    )
    world.idp.sign = lambda header, claims: unsigned(claims)
    await refused(world, "provider_answer_invalid")


async def test_sec_oauth_oidc_rp_12_a_key_signs_by_its_own_algorithm_only(world: World) -> None:
    rsa = new_rsa_key("rsa")
    world.idp.keys = [*world.idp.keys, public(rsa) | {"alg": "RS256"}]
    world.idp.sign = lambda header, claims: signed({"alg": "RS256", "kid": "rsa"}, claims, rsa)
    assert (await world.sign_in()).status_code == 200
    world.idp.sign = lambda header, claims: signed({"alg": "PS256", "kid": "rsa"}, claims, rsa)
    await refused(world, "provider_answer_invalid")
    world.idp.sign = lambda header, claims: signed({"alg": "RS256", "kid": "first"}, claims, rsa)
    await refused(world, "provider_answer_invalid")


@pytest.mark.parametrize(
    "bend",
    [
        {"iss": "https://evil.example"},
        {"iss": "https://idp.example.com/"},
        {"aud": "another client"},
        {"aud": [CLIENT_ID, "another client"]},
        {"aud": [CLIENT_ID, "another client"], "azp": "another client"},
        {"azp": "another client"},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"iat": None},
        {"iat": 1},
        {"iat": 9_999_999_999},
        {"nbf": 9_999_999_999},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
        {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
    ],
    ids=str,
)
async def test_sec_oauth_oidc_rp_13_an_id_token_is_for_this_client_and_this_moment(
    world: World, bend: dict[str, Any]
) -> None:
    world.idp.bend_claims = lambda claims: claims.update(bend)
    await refused(world, "provider_answer_invalid")


@pytest.mark.parametrize(
    "header",
    [{"typ": "at+jwt"}, {"typ": "logout+jwt"}, {"crit": ["exp"], "exp": 1}, {"kid": ["first"]}],
    ids=str,
)
async def test_sec_oauth_oidc_rp_13_a_token_of_another_kind_is_no_id_token(
    world: World, header: dict[str, Any]
) -> None:
    world.idp.sign = lambda plain, claims: _raw(plain | header, claims, world)
    await refused(world, "provider_answer_invalid")


def _raw(header: dict[str, Any], claims: dict[str, Any], world: World) -> str:
    """A token whose header is not what the library would write."""
    good = signed({"alg": "ES256", "kid": "first"}, claims, world.idp.key)
    _, payload, signature = good.split(".")
    return f"{b64(httpx.Response(200, json=header).content)}.{payload}.{signature}"


@pytest.mark.parametrize("sub", ["somebody else", None, 7])
async def test_sec_oauth_oidc_rp_14_userinfo_speaks_of_the_same_subject(
    world: World, sub: Any
) -> None:
    world.idp.bend_userinfo = lambda claims: claims.update(sub=sub)
    await refused(world, "provider_answer_invalid")


async def test_sec_oauth_oidc_rp_14_userinfo_does_not_overrule_the_id_token(world: World) -> None:
    world.idp.bend_userinfo = lambda claims: claims.update(
        email="owner@corp.example", email_verified=True, groups=["a"]
    )
    answer = await world.sign_in(Person(email="ada@corp.example", email_verified=False))
    assert answer.json()["user"]["email"] == "ada@corp.example"


async def test_sec_oauth_oidc_rp_15_a_new_key_is_asked_for_but_not_at_anybody_s_pleasure(
    world: World, clock: FakeClock
) -> None:
    assert (await world.sign_in()).status_code == 200
    assert world.idp.calls_to("/jwks") == 1
    clock.advance(minutes=1)
    world.idp.rotate("second")
    assert (await world.sign_in()).status_code == 200
    assert world.idp.calls_to("/jwks") == 2
    forged = new_key("made up")
    world.idp.sign = lambda header, claims: signed(
        header | {"kid": f"made up {claims['nonce']}"}, claims, forged
    )
    for _ in range(5):
        await refused(world, "provider_answer_invalid")
    assert world.idp.calls_to("/jwks") == 2


async def test_sec_oauth_oidc_rp_15_a_key_that_was_taken_away_signs_no_more(
    world: World, clock: FakeClock
) -> None:
    assert (await world.sign_in()).status_code == 200
    old = world.idp.key
    world.idp.rotate("second", keep_old=False)
    clock.advance(hours=2)
    world.idp.sign = lambda header, claims: signed({"alg": "ES256", "kid": "first"}, claims, old)
    await refused(world, "provider_answer_invalid")


@pytest.mark.parametrize(
    "keys",
    [
        "nothing",
        [],
        [{"kty": "oct", "k": "c2VjcmV0", "kid": "first"}],
        [{"kty": "EC", "kid": "first"}],
        [7, None, {}],
        "encryption",
        "twice",
    ],
    ids=str,
)
async def test_sec_oauth_oidc_rp_15_a_key_set_that_does_not_hold_lets_nobody_in(
    world: World, keys: Any
) -> None:
    good = public(world.idp.key)
    bent: dict[Any, Any] = {
        "nothing": None,
        "encryption": [good | {"use": "enc"}],
        "twice": [good, public(new_key("first"))],
    }
    world.idp.keys = bent[keys] if isinstance(keys, str) else keys
    answer = await world.sign_in()
    assert answer.status_code in (400, 503)


@pytest.mark.parametrize("how", ["disabled", "deleted"])
async def test_sec_oauth_oidc_rp_16_a_provider_turned_off_on_the_way_lets_nobody_in(
    world: World, admin: asyncpg.Connection, how: str
) -> None:
    back = await world.come_back()
    before = await sessions_of(admin, world)
    house, provider = world.organisation.house, world.provider
    if how == "disabled":
        await change_provider(house, provider, enabled=False)
    else:
        async with house.database.tenant(world.organisation.id) as conn:
            await provider_rows.delete(conn, world.organisation.id, provider.id)
    answer = await world.finish(back)
    assert answer.status_code == 400
    assert answer.json()["details"]["reason"] in ("provider_disabled", "state_invalid")
    assert world.idp.calls_to("/token") == 0
    assert await sessions_of(admin, world) == before


async def test_sec_oauth_oidc_rp_16_a_provider_turned_off_while_it_is_asked_lets_nobody_in(
    world: World, admin: asyncpg.Connection
) -> None:
    before = await sessions_of(admin, world)
    asked, turned_off = asyncio.Event(), asyncio.Event()
    outbound = world.organisation.house.part(OutboundClient)
    at_once = outbound.transport
    assert isinstance(at_once, httpx.MockTransport)

    class Waiting(httpx.AsyncBaseTransport):
        """Holds the last answer back until the provider is turned off."""

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path == "/userinfo":
                asked.set()
                await turned_off.wait()
            return await at_once.handle_async_request(request)

    outbound.transport = Waiting()
    finishing = asyncio.ensure_future(world.finish(await world.come_back()))
    await asked.wait()
    await change_provider(world.organisation.house, world.provider, enabled=False)
    turned_off.set()
    answer = await finishing
    assert (answer.status_code, answer.json()["details"]["reason"]) == (400, "provider_disabled")
    assert await sessions_of(admin, world) == before


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("access_denied", "did not agree"),
        ("<script>alert(1)</script>", "refused the sign-in"),
    ],
)
def test_sec_oauth_oidc_rp_18_what_a_provider_writes_into_the_address_is_never_repeated(
    code: str, words: str
) -> None:
    refusal = said_by_provider(code)
    assert words in refusal.message
    assert "<script>" not in refusal.message + str(refusal.details)


async def test_an_answer_without_an_id_token_lets_nobody_in(world: World) -> None:
    for bend in (
        {"id_token": None},
        {"id_token": "a.b.c"},
        {"id_token": "no token"},
        {"token_type": "mac"},
        {"id_token": "x" * 40_000},
    ):
        world.idp.bend_tokens = lambda tokens, bend=bend: tokens.update(bend)
        await refused(world, "provider_answer_invalid")


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
