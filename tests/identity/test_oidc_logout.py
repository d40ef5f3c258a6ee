"""Logout from behind: a provider ends the sessions that its word opened, and no others."""

from typing import Any

import httpx
import pytest

from leanvibe_server.identity.oidc import logout
from tests.conftest import FakeClock
from tests.fakes.oidc_provider import Person, signed, unsigned
from tests.identity.given_providers import change_provider
from tests.identity.oidc_world import World


async def session_of(world: World, person: Person) -> dict[str, str]:
    answer = await world.sign_in(person)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def tell(world: World, token: str) -> httpx.Response:
    path = logout.logout_uri(world.organisation.house, world.provider)
    return await world.client.post(
        path.removeprefix("http://localhost:8765"), data={"logout_token": token}
    )


async def alive(world: World, headers: dict[str, str]) -> bool:
    return (await world.client.get("/v1/auth/me", headers=headers)).status_code == 200


async def test_a_session_ends_with_that_at_the_provider(world: World) -> None:
    phone = await session_of(world, Person(session="phone"))
    desk = await session_of(world, Person(session="desk"))
    answer = await tell(world, world.idp.logout_token(sid="phone"))
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert not await alive(world, phone)
    assert await alive(world, desk)


async def test_every_session_of_a_subject_ends_but_no_other_s(world: World) -> None:
    ada = [await session_of(world, Person(session=name)) for name in ("one", "two")]
    bob = await session_of(world, Person(subject="bob", email="bob@corp.example", session="b"))
    owner = await world.organisation.headers(world.client)
    assert (await tell(world, world.idp.logout_token(sub="subject-1"))).status_code == 200
    assert [await alive(world, headers) for headers in ada] == [False, False]
    assert await alive(world, bob)
    assert await alive(world, owner)


async def test_a_subject_does_not_end_the_session_of_another(world: World) -> None:
    ada = await session_of(world, Person(session="shared"))
    assert (await tell(world, world.idp.logout_token(sub="nobody", sid="shared"))).is_success
    assert await alive(world, ada)


async def test_a_refresh_token_ends_with_the_session(world: World) -> None:
    answer = await world.sign_in(Person(session="s"))
    await tell(world, world.idp.logout_token(sid="s"))
    fresh = await world.client.post(
        "/v1/auth/refresh", json={"refresh_token": answer.json()["refresh_token"]}
    )
    assert fresh.status_code == 401


async def test_a_logout_token_is_good_once(world: World) -> None:
    token = world.idp.logout_token(sid="session-1")
    assert (await tell(world, token)).status_code == 200
    again = await session_of(world, Person())
    assert (await tell(world, token)).status_code == 400
    assert await alive(world, again)


@pytest.mark.parametrize(
    "bend",
    [
        {"iss": "https://evil.example"},
        {"aud": "another client"},
        {"nonce": "x"},
        {"events": None},
        {"events": {}},
        {"events": []},
        {"events": {"http://schemas.openid.net/event/backchannel-logout": None}},
        {"sid": None, "sub": None},
        {"sid": ""},
        {"jti": None},
        {"iat": 1},
        {"iat": None},
        {"exp": 1},
    ],
    ids=str,
)
async def test_a_logout_token_that_does_not_hold_ends_nothing(
    world: World, bend: dict[str, Any]
) -> None:
    ada = await session_of(world, Person())

    def change(claims: dict[str, Any]) -> None:
        claims.update(bend)
        for name in ("sid", "sub", "jti", "nonce", "events", "iat"):
            if claims.get(name, "") is None:
                del claims[name]

    answer = await tell(world, world.idp.logout_token(change, sid="session-1"))
    assert answer.status_code == 400, bend
    assert answer.json()["message"] == "The logout token does not hold."
    assert await alive(world, ada)


async def test_an_id_token_is_no_logout_token(world: World, clock: FakeClock) -> None:
    ada = await session_of(world, Person())
    token = world.idp.id_token(Person(), "nonce", "access token")
    assert (await tell(world, token)).status_code == 400
    assert (await tell(world, unsigned({"sid": "session-1"}))).status_code == 400
    old = signed({"alg": "ES256", "kid": "unknown"}, {"sid": "session-1"}, world.idp.key)
    assert (await tell(world, old)).status_code == 400
    assert await alive(world, ada)


async def test_a_provider_that_is_off_or_unknown_ends_nothing(world: World) -> None:
    token = world.idp.logout_token(sid="session-1")
    for place in ("x", "0" * 44, "z" * 44, "-" * 44):
        path = f"/v1/auth/sso/backchannel-logout/{place}"
        answer = await world.client.post(path, data={"logout_token": token})
        assert answer.status_code == 400, place
    await change_provider(world.organisation.house, world.provider, enabled=False)
    assert (await tell(world, token)).status_code == 400
