"""Signing out of a session that a provider opened: here, and there if one wishes."""

import base64
import json
import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import asyncpg
import httpx
import pytest

from leanvibe_server.identity import housekeeping
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_providers import change_provider
from tests.identity.given_sessions import set_policy
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


async def onward(visitor: Visitor) -> dict[str, str]:
    """Press the button that leads to the provider: what it is told."""
    link = re.search(r'href="(/signed-out/onward[^"]+)"', visitor.page)
    assert link is not None
    answer = await visitor.open(unescape(link[1]))
    assert answer.status_code == 303, visitor.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["location"].startswith("https://idp.example.com/logout?")
    return query_of(answer.headers["location"])


async def test_who_came_by_a_provider_may_sign_out_there_too(arrive: Arrive, world: World) -> None:
    visitor = await leave(arrive, world)
    assert "You are signed out" in visitor.text
    assert "Sign out at Company login" in visitor.text
    assert "eyJ" not in visitor.page
    told = await onward(visitor)
    hint = told.pop("id_token_hint")
    assert claims_in(hint)["sub"] == "subject-1"
    assert told == {
        "of": "us",
        "client_id": "leanvibe",
        "post_logout_redirect_uri": "http://localhost:8765/signed-out",
    }
    assert (await visitor.open("/account")).headers["location"].startswith("/login")
    back = await visitor.open("/signed-out")
    assert back.status_code == 200
    assert "Company login" not in visitor.text


def claims_in(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return found


async def test_the_provider_is_told_the_name_it_wants_to_hear(arrive: Arrive, world: World) -> None:
    """Source: Microsoft identity platform, "Send a sign-out request"."""
    world.idp.bend_claims = lambda claims: claims.update(login_hint="O.CiQ1", sid=None)
    visitor = await leave(arrive, world)
    assert (await onward(visitor))["logout_hint"] == "O.CiQ1"


async def test_the_id_token_is_kept_sealed_and_for_the_session_only(
    arrive: Arrive, world: World, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    kept = "SELECT id_token_sealed FROM oidc_id_tokens WHERE tenant_id = $1"
    house, tenant_id = world.organisation.house, world.organisation.id
    visitor = await arrive()
    await come_back(visitor, world.idp.authorize(await set_off(visitor, world)))
    (first,) = await admin.fetch(kept, tenant_id)
    await visitor.open("/")
    await visitor.send("/logout")
    await come_back(visitor, world.idp.authorize(await set_off(visitor, world)))
    (row,) = await admin.fetch(kept, tenant_id)
    assert b"eyJ" not in row["id_token_sealed"]
    assert row["id_token_sealed"] != first["id_token_sealed"]
    clock.advance(hours=2)
    await housekeeping.sweep(house)
    assert len(await admin.fetch(kept, tenant_id)) == 1
    await visitor.open("/")
    await visitor.send("/logout")
    clock.advance(minutes=16)
    await housekeeping.sweep(house)
    assert await admin.fetch(kept, tenant_id) == []


async def test_a_program_leaves_no_id_token_behind(world: World, admin: asyncpg.Connection) -> None:
    assert (await world.sign_in()).status_code == 200
    kept = "SELECT count(*) FROM oidc_id_tokens WHERE tenant_id = $1"
    assert await admin.fetchval(kept, world.organisation.id) == 0


@pytest.mark.parametrize("change", ["late", "another", "forged", "long"])
async def test_without_a_ticket_that_holds_the_provider_asks_itself(
    arrive: Arrive, world: World, clock: FakeClock, change: str
) -> None:
    if change == "long":
        world.idp.bend_claims = lambda claims: claims.update(groups=["g" * 400] * 20)
    visitor = await leave(arrive, world)
    if change == "late":
        clock.advance(minutes=11)
    if change == "another":
        visitor = await arrive()
        tenant, name = world.organisation.tenant.slug, world.provider.slug
        await visitor.open(f"/signed-out?{urlencode({'tenant': tenant, 'provider': name})}")
    if change == "forged":
        visitor.client.cookies.set("lv_leaving", "AAAA")
    assert "id_token_hint" not in await onward(visitor)


async def test_the_hint_survives_the_second_factor(
    arrive: Arrive, world: World, admin: asyncpg.Connection
) -> None:
    await set_policy(world.organisation.house, world.organisation, mfa_required=True)
    visitor = await arrive()
    back = await come_back(visitor, world.idp.authorize(await set_off(visitor, world)))
    assert back.headers["location"].startswith("/login/second-factor")
    kept = "SELECT count(*) FROM oidc_id_tokens WHERE tenant_id = $1"
    assert await admin.fetchval(kept, world.organisation.id) == 1


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
