"""Proving oneself anew at the identity provider, in a session that is open."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from leanvibe_server.identity.oidc.logout import logout_uri
from leanvibe_server.kernel.outbound import OutboundClient
from tests.conftest import FakeClock
from tests.fakes.oidc_provider import Person
from tests.given import Organisation
from tests.identity.given_providers import change_provider, link_identity
from tests.identity.given_sessions import bearer, names_of_events, set_policy, sign_in, status
from tests.identity.mfa.given_factors import enrol, totp_code
from tests.identity.oidc_world import World, make_world, query_of


@pytest.fixture
async def world(client: httpx.AsyncClient, acme: Organisation) -> World:
    world = await make_world(client, acme, default_role="admin")
    world.idp.bend_claims = proved_now(world)
    return world


def proved_now(world: World, ago_s: int = 0) -> Callable[[dict[str, Any]], None]:
    """The provider says when the person signed in there."""

    def bend(claims: dict[str, Any]) -> None:
        claims["auth_time"] = int(world.idp.house.clock.now().timestamp()) - ago_s

    return bend


async def begin(world: World, held: dict[str, Any]) -> httpx.Response:
    path = f"/v1/auth/sso/{world.provider.slug}/step-up"
    return await world.client.post(path, headers=bearer(held))


async def prove(world: World, held: dict[str, Any], person: Person | None = None) -> httpx.Response:
    begun = await begin(world, held)
    assert begun.status_code == 200, begun.text
    back = world.idp.authorize(begun.json()["redirect_url"], person)
    return await finish(world, held, back)


async def finish(world: World, held: dict[str, Any], back: dict[str, str]) -> httpx.Response:
    body = {"auth_code": back["code"], "state": back["state"]}
    return await world.client.post("/v1/auth/sso/step-up", json=body, headers=bearer(held))


async def change(world: World, held: dict[str, Any]) -> httpx.Response:
    """A change that asks for a fresh proof."""
    return await world.client.put(
        "/v1/tenants/me/security", json={"max_sessions": 3}, headers=bearer(held)
    )


def reason(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["details"]["reason"]


async def test_somebody_without_a_factor_here_proves_themselves_at_the_provider(
    world: World, clock: FakeClock, admin: Any
) -> None:
    held = (await world.sign_in()).json()
    clock.advance(minutes=11)
    assert reason(await change(world, held)) == (403, "step_up_required")
    begun = await begin(world, held)
    asked = query_of(begun.json()["redirect_url"])
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")
    proved = await finish(world, held, world.idp.authorize(begun.json()["redirect_url"]))
    assert proved.status_code == 200, proved.text
    assert await status(world.client, held) == 401
    assert (await change(world, proved.json())).status_code == 200
    assert "session.stepped_up" in await names_of_events(admin, world.organisation)


@pytest.mark.parametrize("ago_s", [None, 120, 8 * 3600])
async def test_a_session_that_is_open_there_proves_nothing_anew(
    world: World, clock: FakeClock, ago_s: int | None
) -> None:
    held = (await world.sign_in()).json()
    clock.advance(minutes=11)
    world.idp.bend_claims = None if ago_s is None else proved_now(world, ago_s)
    assert reason(await prove(world, held)) == (400, "not_proved_anew")
    assert await status(world.client, held) == 200
    assert reason(await change(world, held)) == (403, "step_up_required")


@pytest.mark.parametrize("said", ["now", -1, 10**30, True, 4_000_000_000])
async def test_a_time_that_is_none_lets_nobody_in(world: World, said: object) -> None:
    world.idp.bend_claims = lambda claims: claims.update(auth_time=said)
    assert reason(await world.sign_in()) == (400, "provider_answer_invalid")


async def test_a_sign_in_by_an_old_session_at_the_provider_is_no_fresh_proof(world: World) -> None:
    world.idp.bend_claims = proved_now(world, 8 * 3600)
    held = (await world.sign_in()).json()
    assert await status(world.client, held) == 200
    assert reason(await change(world, held)) == (403, "step_up_required")


async def test_another_account_at_the_provider_proves_nothing(world: World) -> None:
    held = (await world.sign_in()).json()
    other = Person(subject="somebody else", email="eve@corp.example")
    assert reason(await prove(world, held, other)) == (403, "another_account")
    assert (await world.sign_in(other)).status_code == 200
    assert reason(await prove(world, held, other)) == (403, "another_account")


async def test_a_proof_is_for_the_session_that_asked(world: World) -> None:
    first, second = [(await world.sign_in()).json() for _ in range(2)]
    back = world.idp.authorize((await begin(world, first)).json()["redirect_url"])
    assert reason(await finish(world, second, back)) == (400, "state_invalid")
    body = {"auth_code": back["code"], "state": back["state"]}
    linking = await world.client.post("/v1/auth/sso/link", json=body, headers=bearer(first))
    assert reason(linking) == (400, "state_invalid")
    assert reason(await world.finish(back)) == (400, "state_invalid")
    assert (await finish(world, first, back)).status_code == 200
    assert reason(await finish(world, second, back)) == (400, "state_invalid")


async def test_the_state_of_a_sign_in_or_a_link_steps_nobody_up(world: World) -> None:
    held = (await world.sign_in()).json()
    assert reason(await finish(world, held, await world.come_back())) == (400, "state_invalid")
    begun = await world.client.post(
        f"/v1/auth/sso/{world.provider.slug}/link", headers=bearer(held)
    )
    back = world.idp.authorize(begun.json()["redirect_url"])
    assert reason(await finish(world, held, back)) == (400, "state_invalid")


async def test_only_a_linked_provider_that_is_on_can_be_asked(world: World) -> None:
    held = await sign_in(world.client, world.organisation, "owner")
    assert (await begin(world, held)).status_code == 404
    owner = world.organisation.people["owner"]
    await link_identity(world.organisation.house, world.provider, owner.id, "subject-1")
    assert (await prove(world, held)).status_code == 200
    assert (await begin(world, held)).status_code == 401


async def test_who_has_a_second_factor_needs_it_here_too(world: World, clock: FakeClock) -> None:
    house, organisation = world.organisation.house, world.organisation
    await link_identity(house, world.provider, organisation.people["owner"].id, "subject-1")
    secret = (await enrol(world.client, organisation, clock))["secret"]
    asked = (await world.sign_in()).json()["details"]["mfa_token"]
    answer = await world.client.post(
        "/v1/auth/mfa/challenge", json={"mfa_token": asked, "code": totp_code(secret, clock)}
    )
    held = answer.json()
    assert reason(await begin(world, held)) == (403, "second_factor_needed")
    await change_provider(house, world.provider, configuration={"settings": {"trust_mfa": True}})
    assert reason(await prove(world, held)) == (403, "second_factor_needed")
    vouched = proved_now(world)
    world.idp.bend_claims = lambda claims: (vouched(claims), claims.update(amr=["pwd", "mfa"]))[0]
    assert (await prove(world, held)).status_code == 200


async def test_a_password_proves_nothing_where_single_sign_on_is_asked_for(
    world: World,
) -> None:
    organisation = world.organisation
    person = organisation.people["admin"]
    await link_identity(organisation.house, world.provider, person.id, "subject-1")
    held = (await world.sign_in()).json()
    await set_policy(organisation.house, organisation, sso_required=True)
    refused = await world.client.post(
        "/v1/auth/step-up", json={"password": person.password}, headers=bearer(held)
    )
    assert reason(refused) == (403, "sso_required")
    assert (await prove(world, held)).status_code == 200


async def test_a_provider_that_asks_nobody_again_is_not_offered(world: World) -> None:
    held = (await world.sign_in()).json()
    house = world.organisation.house
    await change_provider(house, world.provider, issuer="https://accounts.google.com")
    assert (await begin(world, held)).status_code == 404


async def test_a_link_is_not_made_from_a_session_that_no_longer_counts(world: World) -> None:
    held = await sign_in(world.client, world.organisation, "admin")
    begun = await world.client.post(
        f"/v1/auth/sso/{world.provider.slug}/link", headers=bearer(held)
    )
    back = world.idp.authorize(begun.json()["redirect_url"])
    transport = world.organisation.house.part(OutboundClient).transport
    assert isinstance(transport, httpx.MockTransport)

    class Meanwhile(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path == "/userinfo":
                await set_policy(world.organisation.house, world.organisation, sso_required=True)
            return await transport.handle_async_request(request)

    world.organisation.house.part(OutboundClient).transport = Meanwhile()
    body = {"auth_code": back["code"], "state": back["state"]}
    answer = await world.client.post("/v1/auth/sso/link", json=body, headers=bearer(held))
    assert reason(answer) == (400, "session_ended")


async def test_a_logout_of_the_session_that_the_provider_began_anew_is_heard(
    world: World,
) -> None:
    held = (await world.sign_in()).json()
    proved = (await prove(world, held, Person(session="session-2"))).json()
    assert await status(world.client, proved) == 200
    place = logout_uri(world.organisation.house, world.provider).removeprefix(
        world.organisation.house.settings.base_url
    )
    token = world.idp.logout_token(sid="session-2")
    told = await world.client.post(place, data={"logout_token": token})
    assert told.status_code == 200, told.text
    assert await status(world.client, proved) == 401
