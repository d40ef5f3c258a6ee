"""The code's way back: proof keys, mixed-up providers, and those turned off on the way."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from leanvibe_server.identity.federation import repository as provider_rows
from leanvibe_server.identity.oidc.errors import said_by_provider
from leanvibe_server.kernel.outbound import OutboundClient
from tests.conftest import FakeClock
from tests.fakes.oidc_provider import (
    FakeProvider,
    Person,
    connect,
)
from tests.identity.given_providers import add_provider, change_provider
from tests.identity.oidc_world import World, query_of, refused, sessions_of


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


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    "body",
    [
        b'{"error": ["invalid_grant"]}',
        b'{"error": {"code": 7}}',
        b"<html>",
        b"[" * 60_000,
        b'{"id_token": "a", "token_type": "Bearer", "x": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"id_token": ["a"], "token_type": "Bearer"}',
    ],
    ids=["list", "object", "page", "deep", "deep inside", "no text"],
)
async def test_an_answer_of_any_shape_lets_nobody_in_and_breaks_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    answer = httpx.Response(status, content=body)
    monkeypatch.setattr(world.idp, "_token", lambda request: answer)
    await refused(world, "provider_answer_invalid")
