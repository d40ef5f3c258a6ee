"""Signing out of a session that a provider opened: here, and there if one wishes."""

import re
from html import unescape
from urllib.parse import urlencode

import httpx
import pytest

from tests.given import Organisation
from tests.identity.given_providers import change_provider
from tests.identity.oidc_world import World, make_world, query_of
from tests.web.conftest import Arrive, EnterAs
from tests.web.test_sso import come_back, set_off
from tests.web.visitors import Visitor


@pytest.fixture
async def world(client: httpx.AsyncClient, acme: Organisation) -> World:
    world = await make_world(client, acme)
    world.idp.bend_metadata = lambda document: document.update(
        end_session_endpoint=f"{world.idp.issuer}/logout?of=us"
    )
    return world


async def leave(arrive: Arrive, world: World) -> Visitor:
    """Come in by the provider and press sign-out."""
    visitor = await arrive()
    await come_back(visitor, world.idp.authorize(await set_off(visitor, world)))
    await visitor.open("/")
    answer = await visitor.send("/logout")
    assert answer.status_code == 303
    await visitor.open(answer.headers["location"])
    return visitor


async def test_who_came_by_a_provider_may_sign_out_there_too(arrive: Arrive, world: World) -> None:
    visitor = await leave(arrive, world)
    assert "You are signed out" in visitor.text
    assert "Sign out at Company login" in visitor.text
    link = re.search(r'href="(https://idp[^"]+)"', visitor.page)
    assert link is not None
    assert query_of(unescape(link[1])) == {
        "of": "us",
        "client_id": "leanvibe",
        "post_logout_redirect_uri": "http://localhost:8765/signed-out",
    }
    assert (await visitor.open("/account")).headers["location"].startswith("/login")
    back = await visitor.open("/signed-out")
    assert back.status_code == 200
    assert "Company login" not in visitor.text


async def test_a_provider_that_offers_no_sign_out_or_is_silent_is_not_named(
    arrive: Arrive, world: World
) -> None:
    world.idp.bend_metadata = None
    visitor = await leave(arrive, world)
    assert "You are signed out" in visitor.text
    assert "Company login" not in visitor.text


async def test_the_page_tells_nothing_of_providers_that_are_off_or_unknown(
    arrive: Arrive, world: World
) -> None:
    visitor = await arrive()
    tenant = world.organisation.tenant.slug
    await change_provider(world.organisation.house, world.provider, enabled=False)
    for named in (
        {"tenant": tenant, "provider": world.provider.slug},
        {"tenant": "nobody", "provider": "google"},
        {"tenant": "\x00", "provider": "<script>"},
        {"tenant": tenant},
    ):
        answer = await visitor.open(f"/signed-out?{urlencode(named)}")
        assert answer.status_code in (200, 400)
        assert "Sign out at" not in visitor.text
        assert "<script>" not in visitor.page


async def test_who_came_by_password_goes_back_to_the_sign_in(
    enter_as: EnterAs, world: World
) -> None:
    visitor = await enter_as(world.organisation, "owner")
    await visitor.open("/")
    assert (await visitor.send("/logout")).headers["location"] == "/login"
