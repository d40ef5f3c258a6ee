"""Which organisation a visitor means, who sets off to a provider and names none."""

from urllib.parse import urlsplit

import httpx
import pytest

from tests.fakes.oidc_provider import connect
from tests.given import Organisation
from tests.identity.given_providers import add_provider, verify_domain
from tests.identity.oidc_world import World, make_world, query_of


@pytest.fixture
async def world(client: httpx.AsyncClient, acme: Organisation) -> World:
    return await make_world(client, acme)


@pytest.fixture
async def path(world: World, globex: Organisation) -> str:
    """The printed address, where two organisations have such a provider."""
    await add_provider(world.organisation.house, globex, slug=world.provider.slug)
    return f"/v1/auth/sso/{world.provider.slug}"


async def test_a_program_is_told_how_to_say_which_organisation(world: World, path: str) -> None:
    answer = await world.client.get(path)
    assert answer.status_code == 400
    for way in ("X-Tenant-Slug", "`tenant`", "`email`", "`domain_hint`", "/login/sso"):
        assert way in answer.json()["message"]
    assert urlsplit(answer.json()["details"]["login_url"]).path == "/login/sso"


@pytest.mark.parametrize("start", ["/v1/auth/sso/", "/auth/sso/start/"])
async def test_a_browser_is_asked_for_the_address(world: World, path: str, start: str) -> None:
    answer = await world.client.get(
        start + world.provider.slug, params={"next": "/tasks"}, headers={"Accept": "text/html"}
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login/sso?next=%2Ftasks"
    foreign = await world.client.get(
        path, params={"next": "//evil.example"}, headers={"Accept": "text/html"}
    )
    assert foreign.headers["location"] == "/login/sso?next=%2F"


@pytest.mark.parametrize("name", ["email", "login_hint", "domain_hint"])
async def test_a_hint_leads_to_the_organisation_of_its_domain(
    world: World, path: str, name: str
) -> None:
    domain = f"{world.organisation.tenant.slug}.example"
    await verify_domain(world.organisation.house, world.organisation, domain)
    hint = domain if name == "domain_hint" else f"ada@{domain}"
    answer = await world.client.get(path, params={name: hint})
    assert answer.status_code == 200, answer.text
    asked = query_of(answer.json()["redirect_url"])
    assert asked.get("login_hint") == (None if name == "domain_hint" else hint)
    unproved = await world.client.get(path, params={name: f"not-{hint}"})
    assert unproved.status_code == (200 if "@" in hint else 400)


@pytest.mark.parametrize(
    ("issuer", "start"),
    [
        ("https://accounts.google.com", "https://accounts.google.com/o/oauth2/v2/auth?"),
        (
            "https://login.microsoftonline.com/0f8fad5b-d9cb-469f-a165-70867728950e/v2.0",
            "https://login.microsoftonline.com/0f8fad5b-d9cb-469f-a165-70867728950e/oauth2/v2.0/authorize?",
        ),
        ("https://acme.okta.com", "https://acme.okta.com/oauth2/v1/authorize?"),
    ],
)
async def test_a_known_provider_is_found_while_its_discovery_is_silent(
    client: httpx.AsyncClient, acme: Organisation, issuer: str, start: str
) -> None:
    world = await make_world(client, acme, issuer=issuer)
    connect(acme.house)
    assert (await world.begin())["redirect_url"].startswith(start)
    tested = await client.post(
        f"/v1/auth/sso/providers/{world.provider.id}/test", headers=await acme.headers(client)
    )
    assert not tested.json()["success"]


async def test_an_unknown_provider_that_is_silent_is_a_503(world: World) -> None:
    connect(world.organisation.house)
    answer = await world.client.get(
        f"/v1/auth/sso/{world.provider.slug}",
        headers={"X-Tenant-Slug": world.organisation.tenant.slug},
    )
    assert answer.status_code == 503


async def test_discovery_takes_the_name_of_an_organisation_and_knows_no_other(
    world: World,
) -> None:
    async def ask(**body: str) -> httpx.Response:
        return await world.client.post("/v1/auth/discover", json=body)

    tenant = world.organisation.tenant
    for name in (tenant.slug, str(tenant.id)):
        found = (await ask(tenant=name)).json()
        assert found["provider"]["slug"] == world.provider.slug
        assert found["methods"] == ["sso", "password"]
    for name in ("nobody-here", "platform", "00000000-0000-0000-0000-000000000001"):
        unknown = await ask(tenant=name)
        assert unknown.json() == {"methods": ["password"], "provider": None, "providers": []}
    assert (await ask()).status_code == 400
