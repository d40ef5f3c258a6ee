"""Proving oneself anew at the provider, in the browser: what was typed is not lost."""

import re
from typing import Any

import asyncpg
import httpx
import pytest

from leanvibe_server.kernel.request import SESSION_COOKIE
from tests.conftest import FakeClock
from tests.fakes.oidc_provider import Person
from tests.given import Organisation
from tests.identity.oidc_world import World, make_world, query_of
from tests.web.conftest import Arrive
from tests.web.test_sso import come_back, set_off
from tests.web.visitors import Visitor


@pytest.fixture
async def world(client: httpx.AsyncClient, acme: Organisation) -> World:
    world = await make_world(client, acme, default_role="admin")

    def proved_now(claims: dict[str, Any]) -> None:
        claims["auth_time"] = int(acme.house.clock.now().timestamp())

    world.idp.bend_claims = proved_now
    return world


async def enter_by_provider(arrive: Arrive, world: World) -> Visitor:
    visitor = await arrive()
    back = world.idp.authorize(await set_off(visitor, world))
    assert (await come_back(visitor, back)).status_code == 303
    return visitor


async def to_the_provider(visitor: Visitor, world: World) -> str:
    """Press the button on the page that asks; where it leads."""
    assert "Continue with Company login" in visitor.text
    kept = dict(re.findall(r'name="(next|ticket)" value="([^"]*)"', visitor.page))
    fields = kept | {"provider": world.provider.slug}
    answer = await visitor.send("/step-up/sso", fields)
    assert answer.status_code == 200, visitor.text
    url = answer.headers["refresh"].partition("url=")[2]
    assert query_of(url)["prompt"] == "login"
    return url


async def test_a_form_that_was_stopped_goes_on_after_the_provider(
    arrive: Arrive, world: World, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    visitor = await enter_by_provider(arrive, world)
    await visitor.open("/settings/sso")
    clock.advance(minutes=11)
    stopped = await visitor.send("/settings/sso-domains", {"domain": "typed.example.org"})
    assert stopped.status_code == 403
    assert "Password" not in visitor.text
    before = visitor.client.cookies[SESSION_COOKIE]
    url = await to_the_provider(visitor, world)
    answer = await come_back(visitor, world.idp.authorize(url))
    assert answer.status_code == 200, visitor.text
    assert visitor.client.cookies[SESSION_COOKIE] != before
    assert 'value="typed.example.org"' in visitor.page
    done = await visitor.send("/settings/sso-domains", {"domain": "typed.example.org"})
    assert done.status_code == 303, visitor.text
    assert await admin.fetchval(
        "SELECT count(*) FROM domains WHERE tenant_id = $1", world.organisation.id
    )


async def test_a_page_that_was_stopped_is_shown_after_the_provider(
    arrive: Arrive, world: World
) -> None:
    visitor = await enter_by_provider(arrive, world)
    await visitor.open("/step-up?next=/settings/sso")
    answer = await come_back(visitor, world.idp.authorize(await to_the_provider(visitor, world)))
    assert (answer.status_code, answer.headers["location"]) == (303, "/settings/sso")
    assert (await visitor.open("/settings/sso")).status_code == 200


async def test_another_account_leaves_the_session_as_it_was(arrive: Arrive, world: World) -> None:
    visitor = await enter_by_provider(arrive, world)
    await visitor.open("/step-up?next=/settings/sso")
    back = world.idp.authorize(await to_the_provider(visitor, world), Person(subject="other"))
    assert (await come_back(visitor, back)).status_code == 403
    assert "You did not confirm that it is you" in visitor.text
    assert (await visitor.open("/settings/sso")).status_code == 200


async def test_a_proof_comes_back_to_the_browser_that_asked(arrive: Arrive, world: World) -> None:
    visitor, other = await enter_by_provider(arrive, world), await arrive()
    await visitor.open("/step-up?next=/settings/sso")
    back = world.idp.authorize(await to_the_provider(visitor, world))
    assert (await come_back(other, back)).status_code == 400
    assert "began in another browser" in other.text
    assert (await come_back(visitor, back)).status_code == 303
