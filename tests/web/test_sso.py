"""Single sign-on in the browser: from the sign-in page to the provider and back."""

import json
import re
from urllib.parse import urlencode, urlsplit

import asyncpg
import httpx
import pyotp
import pytest

from leanvibe_server.identity.key_pairs import VALID_FOR
from leanvibe_server.tenancy.service import set_security
from tests.conftest import FakeClock
from tests.fakes.oidc_provider import CALLBACK, CLIENT_ID, Back, FakeProvider, Person, connect
from tests.given import Organisation
from tests.identity.given_people import system_scope
from tests.identity.given_providers import add_provider, verify_domain
from tests.identity.given_sessions import set_policy
from tests.identity.oidc_world import World, make_world, query_of
from tests.web.conftest import Arrive, EnterAs
from tests.web.visitors import Visitor


@pytest.fixture
async def world(client: httpx.AsyncClient, acme: Organisation) -> World:
    return await make_world(client, acme)


async def set_off(visitor: Visitor, world: World, **query: str) -> str:
    """Where the provider's sign-in page is."""
    asked = urlencode({"tenant": world.organisation.tenant.slug} | query)
    answer = await visitor.open(f"/auth/sso/start/{world.provider.slug}?{asked}")
    assert answer.status_code == 302, visitor.text
    return answer.headers["location"]


async def come_back(visitor: Visitor, back: dict[str, str]) -> httpx.Response:
    place = back.redirect_uri if isinstance(back, Back) else CALLBACK + "/unknown/oidc"
    return await visitor.open(f"{urlsplit(place).path}?{urlencode(back)}")


async def test_a_browser_goes_to_the_provider_and_comes_back_signed_in(
    arrive: Arrive, world: World
) -> None:
    visitor = await arrive()
    back = world.idp.authorize(await set_off(visitor, world, next="/tasks"))
    answer = await come_back(visitor, back)
    assert (answer.status_code, answer.headers["location"]) == (303, "/tasks")
    assert visitor.client.cookies["lv_device"]
    assert (await visitor.open("/tasks")).status_code == 200
    assert (await come_back(visitor, back)).status_code == 400


async def test_sec_oauth_oidc_rp_01_a_sign_in_ends_in_the_browser_it_began_in(
    arrive: Arrive, world: World, admin: asyncpg.Connection
) -> None:
    attacker, victim = await arrive(), await arrive()
    back = world.idp.authorize(await set_off(attacker, world), Person(subject="attacker"))
    await set_off(victim, world)
    answer = await come_back(victim, back)
    assert answer.status_code == 400
    assert "began in another browser" in victim.text
    assert not await admin.fetchval(
        "SELECT count(*) FROM sessions WHERE tenant_id = $1", world.organisation.id
    )
    program = await world.finish(back)
    assert (program.status_code, program.json()["details"]["reason"]) == (400, "state_invalid")
    assert (await come_back(attacker, back)).status_code == 303


async def test_the_cookie_of_a_sign_in_is_its_own_and_hidden_from_scripts(
    arrive: Arrive, world: World
) -> None:
    visitor = await arrive()
    asked = urlencode({"tenant": world.organisation.tenant.slug})
    path = f"/auth/sso/start/{world.provider.slug}?{asked}"
    first, second = await visitor.open(path), await visitor.open(path)
    cookies = [answer.headers["set-cookie"] for answer in (first, second)]
    for cookie in cookies:
        assert re.search(r"^lv_sso_\w+=.+; HttpOnly; Max-Age=600; Path=/auth; SameSite=lax", cookie)
    assert cookies[0].partition("=")[0] != cookies[1].partition("=")[0]
    back = world.idp.authorize(first.headers["location"])
    assert (await come_back(visitor, back)).status_code == 303


async def test_a_sign_in_that_a_program_began_is_left_to_it(arrive: Arrive, world: World) -> None:
    visitor = await arrive()
    back = await world.come_back()
    answer = await come_back(visitor, back)
    assert answer.status_code == 200
    assert back["code"] not in visitor.page
    assert (await world.finish(back)).status_code == 200


@pytest.mark.parametrize(
    "hostile",
    [
        "https://evil.example/",
        "//evil.example",
        "https:evil.example",
        "\\\\evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "//user@evil.example",
        "user@evil.example",
        "/ok\r\nSet-Cookie: a=b",
        "\thttps://evil.example",
        "/%0d%0a/../\\evil",
    ],
)
async def test_sec_oauth_oidc_rp_17_signing_in_leads_to_no_foreign_place(
    arrive: Arrive, world: World, hostile: str
) -> None:
    visitor = await arrive()
    back = world.idp.authorize(await set_off(visitor, world, next=hostile))
    answer = await come_back(visitor, back)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("access_denied", "did not agree"),
        ("<script>alert(1)</script>", "refused the sign-in"),
        ("'\"><img src=x>", "refused the sign-in"),
    ],
)
async def test_sec_oauth_oidc_rp_18_an_error_in_the_address_is_not_repeated(
    arrive: Arrive, world: World, error: str, words: str
) -> None:
    visitor = await arrive()
    asked = query_of(await set_off(visitor, world))
    state = asked["state"]
    text = "Call <b>+1 555</b> and tell them your password"
    back = Back(error=error, error_description=text, error_uri=text, state=state)
    back.redirect_uri = asked["redirect_uri"]
    answer = await come_back(visitor, back)
    assert answer.status_code == 400
    assert words in visitor.text
    for foreign in (error if "<" in error or "'" in error else "+1 555", "+1 555", "<b>"):
        assert foreign not in visitor.page
    await come_back(visitor, {"error": error, "state": "<script>"})
    assert "<script>alert" not in visitor.page


async def test_sec_oauth_oidc_rp_05_a_promised_issuer_is_asked_for_at_the_callback(
    arrive: Arrive, world: World
) -> None:
    world.idp.promises_iss = True
    visitor = await arrive()
    back = world.idp.authorize(await set_off(visitor, world))
    del back["iss"]
    assert (await come_back(visitor, back)).status_code == 400
    assert world.idp.calls_to("/token") == 0


async def test_parameters_that_come_twice_are_refused(arrive: Arrive, world: World) -> None:
    visitor = await arrive()
    back = world.idp.authorize(await set_off(visitor, world))
    path = urlsplit(back.redirect_uri).path
    answer = await visitor.open(f"{path}?{urlencode(back)}&code=other")
    assert answer.status_code == 400


async def test_the_api_redirects_a_browser_too(arrive: Arrive, world: World) -> None:
    visitor = await arrive()
    answer = await visitor.open(
        f"/v1/auth/sso/{world.provider.slug}?tenant={world.organisation.tenant.slug}"
    )
    assert answer.status_code == 302
    back = world.idp.authorize(answer.headers["location"])
    assert (await come_back(visitor, back)).status_code == 303


async def test_an_address_leads_to_the_provider_of_its_domain(arrive: Arrive, world: World) -> None:
    domain = f"{world.organisation.tenant.slug}.example"
    await verify_domain(world.organisation.house, world.organisation, domain)
    visitor = await arrive()
    await visitor.open("/login/sso?next=/tasks")
    await visitor.send("/login/sso", {"email": f"nobody@{domain}", "next": "/tasks"})
    found = re.search(r'href="(/auth/sso/start/[^"]+)"', visitor.page)
    assert found is not None
    answer = await visitor.open(found[1].replace("&amp;", "&"))
    assert query_of(answer.headers["location"])["login_hint"] == f"nobody@{domain}"
    await visitor.open("/login/sso")
    await visitor.send("/login/sso", {"email": "nobody@nowhere.example"})
    assert "No identity provider is set up for the domain" in visitor.text


async def test_the_name_of_an_organisation_leads_to_its_providers(
    arrive: Arrive, world: World
) -> None:
    visitor = await arrive()
    await visitor.open("/login/sso?next=/tasks")
    slug = world.organisation.tenant.slug
    await visitor.send("/login/sso", {"organisation": slug.upper(), "next": "/tasks"})
    found = re.search(r'href="(/auth/sso/start/[^"]+)"', visitor.page)
    assert found is not None, visitor.text
    answer = await visitor.open(found[1].replace("&amp;", "&"))
    back = world.idp.authorize(answer.headers["location"])
    assert (await come_back(visitor, back)).headers["location"] == "/tasks"
    await visitor.open("/login/sso")
    await visitor.send("/login/sso", {"organisation": "nobody-here"})
    assert "No identity provider is set up for an organisation" in visitor.text
    assert (await visitor.send("/login/sso", {})).status_code == 400


async def require_sso(world: World) -> None:
    organisation = world.organisation
    async with organisation.house.database.tenant(organisation.id) as conn:
        await set_security(
            system_scope(organisation.house, organisation, conn), {"sso_required": True}
        )


async def test_where_single_sign_on_is_asked_for_a_password_opens_nothing_but_for_owners(
    arrive: Arrive, world: World, admin: asyncpg.Connection
) -> None:
    await require_sso(world)
    visitor = await arrive()
    answer = await visitor.sign_in(world.organisation.people["admin"])
    assert answer.status_code == 401
    assert "single sign-on" in visitor.text
    assert (await visitor.sign_in(world.organisation.people["owner"])).status_code == 303
    names = await admin.fetch(
        "SELECT name FROM events WHERE tenant_id = $1 AND name LIKE 'sso%'", world.organisation.id
    )
    assert [row["name"] for row in names] == ["sso.bypassed"]
    letter = await admin.fetchval(
        "SELECT body FROM outgoing_mail WHERE recipient = $1",
        world.organisation.people["owner"].email,
    )
    assert "without it" in letter
    assert (await world.sign_in()).status_code == 200


async def test_a_signed_in_person_links_and_unlinks_an_account(
    enter_as: EnterAs, world: World
) -> None:
    owner = await enter_as(world.organisation, "owner")
    await owner.open("/account/links")
    answer = await owner.send(f"/account/links/{world.provider.slug}")
    location = answer.headers["refresh"].partition("url=")[2]
    back = world.idp.authorize(location, Person(email="private@elsewhere.example"))
    answer = await come_back(owner, back)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account/links")
    await owner.open("/account/links")
    assert "private@elsewhere.example" in owner.text
    signed_in = await world.sign_in(Person(email=None))
    assert signed_in.json()["user"]["id"] == str(world.organisation.people["owner"].id)
    unlink = re.search(r'action="(/account/links/[0-9a-f-]+/unlink)"', owner.page)
    assert unlink is not None
    assert (await owner.send(unlink[1])).status_code == 303
    gone = await world.client.get(
        "/v1/auth/me",
        headers={"Authorization": f"Bearer {signed_in.json()['access_token']}"},
    )
    assert gone.status_code == 401


async def test_a_link_does_not_outlive_the_session_it_began_in(
    enter_as: EnterAs, world: World, admin: asyncpg.Connection
) -> None:
    owner = await enter_as(world.organisation, "owner")
    await owner.open("/account/links")
    answer = await owner.send(f"/account/links/{world.provider.slug}")
    back = world.idp.authorize(answer.headers["refresh"].partition("url=")[2])
    await admin.execute(
        "UPDATE sessions SET ended_at = created_at WHERE tenant_id = $1", world.organisation.id
    )
    assert (await come_back(owner, back)).status_code == 400
    assert not await admin.fetchval(
        "SELECT count(*) FROM federated_identities WHERE tenant_id = $1", world.organisation.id
    )


async def test_an_admin_adds_tests_and_turns_off_a_provider(
    enter_as: EnterAs, world: World
) -> None:
    owner = await enter_as(world.organisation, "owner")
    await owner.open("/settings/sso/new?type=oidc")
    assert "/auth/sso/callback" in owner.page
    fields = {
        "provider_type": "oidc",
        "provider_name": "Second login",
        "client_id": "leanvibe",
        "client_secret": "never shown again",
        "issuer": world.idp.issuer,
        "default_role": "viewer",
        "role_mapping": "leads = manager\ndepartment: it = admin",
    }
    added = await owner.send("/settings/sso/new", fields)
    assert added.status_code == 303, owner.text
    path = added.headers["location"]
    await owner.open(path)
    assert "never shown again" not in owner.page.replace("and never shown again", "")
    assert "department: it = admin" in owner.page
    await owner.send(f"{path}/test")
    assert "answers as it should" in owner.text
    connect(world.organisation.house)
    await owner.send(f"{path}/test")
    assert "does not answer as it should" in owner.text
    assert (await owner.send(f"{path}/disable")).status_code == 303
    await owner.open(path)
    assert "Nobody signs in by it" in owner.text
    refused = await owner.send(path, fields | {"role_mapping": "leads = owner"})
    assert refused.status_code == 400
    assert "owner is never given" in owner.text.lower() or "never given" in owner.text
    assert (await owner.send(f"{path}/delete")).status_code == 303


async def test_a_viewer_does_not_see_the_providers(enter_as: EnterAs, world: World) -> None:
    viewer = await enter_as(world.organisation, "viewer")
    for path in ("/settings/sso", f"/settings/sso/{world.provider.id}"):
        assert (await viewer.open(path)).status_code == 403


async def test_who_comes_back_without_a_second_factor_is_asked_for_it_before_any_session(
    arrive: Arrive, world: World, admin: asyncpg.Connection
) -> None:
    await set_policy(world.organisation.house, world.organisation, mfa_required=True)
    visitor = await arrive()
    back = world.idp.authorize(await set_off(visitor, world, next="/tasks"))
    answer = await come_back(visitor, back)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login/second-factor")
    assert (await visitor.open("/tasks")).headers["location"].startswith("/login")
    assert not await admin.fetchval(
        "SELECT count(*) FROM sessions WHERE tenant_id = $1", world.organisation.id
    )
    await visitor.open("/login/second-factor")
    assert "Set up a second factor" in visitor.text
    await visitor.send("/login/second-factor/setup", {"method": "totp"})
    secret = re.search(r"[A-Z2-7]{32}", visitor.text)
    assert secret is not None, visitor.text
    code = pyotp.TOTP(secret[0]).at(world.organisation.house.clock.now())
    done = await visitor.send("/login/second-factor/verify", {"method": "totp", "code": code})
    assert (done.status_code, done.headers["location"]) == (303, "/tasks")
    assert (await come_back(visitor, back)).status_code == 400


async def test_an_admin_chooses_who_gets_an_account_and_whose_word_on_factors_counts(
    enter_as: EnterAs, world: World, admin: asyncpg.Connection
) -> None:
    owner = await enter_as(world.organisation, "owner")
    path = f"/settings/sso/{world.provider.id}"
    await owner.open(path)
    fields = {"provider_name": "Login", "client_id": "leanvibe", "default_role": "developer"}
    chosen = {"newcomers": "nobody", "trust_mfa": "on"}
    assert (await owner.send(path, fields | chosen)).status_code == 303, owner.text

    async def kept() -> object:
        found = await admin.fetchval(
            "SELECT configuration -> 'settings' FROM sso_providers WHERE id = $1", world.provider.id
        )
        return json.loads(found) if isinstance(found, str) else found

    assert await kept() == {"newcomers": "nobody", "trust_mfa": True}
    await owner.open(path)
    assert '<option value="nobody" selected>' in owner.page
    assert (await owner.send(path, fields | {"newcomers": ""})).status_code == 303, owner.text
    assert await kept() == {}


async def test_sec_oauth_oidc_rp_05_an_answer_is_refused_where_another_provider_s_is_awaited(
    arrive: Arrive, world: World
) -> None:
    """Neither provider says who it is. The attacker's sends the browser on to the honest one, with
    the state of a sign-in at the attacker's, to be handed the code."""
    attacker = FakeProvider(world.organisation.house, issuer="https://evil.example.com")
    connect(world.organisation.house, world.idp, attacker)
    evil = await add_provider(
        world.organisation.house, world.organisation, issuer=attacker.issuer, client_id=CLIENT_ID
    )
    victim = await arrive()
    asked = urlencode({"tenant": world.organisation.tenant.slug})
    answer = await victim.open(f"/auth/sso/start/{evil.slug}?{asked}")
    state = query_of(answer.headers["location"])["state"]
    back = world.idp.authorize((await world.begin())["redirect_url"])
    mixed = Back(back | {"state": state})
    mixed.redirect_uri = back.redirect_uri
    assert (await come_back(victim, mixed)).status_code == 400
    assert attacker.calls_to("/token") == 0


async def test_an_admin_has_a_provider_know_us_by_a_key(
    enter_as: EnterAs, world: World, clock: FakeClock
) -> None:
    world.idp.bend_metadata = lambda document: document.update(
        token_endpoint_auth_methods_supported=["private_key_jwt"]
    )
    owner = await enter_as(world.organisation, "owner")
    await owner.open("/settings/sso/new?type=oidc")
    fields = {
        "provider_type": "oidc",
        "provider_name": "By key",
        "client_id": "leanvibe",
        "issuer": world.idp.issuer,
        "default_role": "viewer",
        "token_endpoint_auth_method": "client_secret_post",
    }
    refused = await owner.send("/settings/sso/new", fields | {"client_secret": "a secret"})
    assert (refused.status_code, "does not offer client_secret_post" in owner.text) == (400, True)
    by_key = fields | {"token_endpoint_auth_method": "private_key_jwt"}
    added = await owner.send("/settings/sso/new", by_key)
    assert added.status_code == 303, owner.text
    path = added.headers["location"]
    await owner.open(path)
    assert "/v1/auth/sso/client-keys/" in owner.page
    (certificate,) = re.findall(rf'href="({path}/keys/[^"]+/certificate)"', owner.page)
    file = await owner.open(certificate)
    assert "attachment" in file.headers["content-disposition"]
    assert file.text.startswith("-----BEGIN CERTIFICATE-----")
    assert (await owner.send(f"{path}/keys")).status_code == 303
    await owner.open(path)
    (activate,) = re.findall(rf'action="({path}/keys/[^"]+/activate)"', owner.page)
    assert (await owner.send(activate)).status_code == 303
    await owner.open(path)
    assert "Prepare the next key" in owner.text
    assert certificate not in owner.page
    assert "The certificate of our key" not in owner.text
    clock.advance(days=VALID_FOR.days - 20)
    later = await enter_as(world.organisation, "owner")
    await later.open(path)
    assert "The certificate of our key at By key ends on" in later.text
