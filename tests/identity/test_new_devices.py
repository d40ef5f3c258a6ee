"""Sign-ins from devices that an account was not seen on: told by mail, once each."""

from typing import Any

import asyncpg
import httpx
import pytest

from leanvibe_server.identity.devices import cookie_of
from leanvibe_server.kernel.house import House
from leanvibe_server.wiring import Doors
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_mail import letters_to
from tests.identity.given_people import add_person, make_one_person
from tests.identity.given_sessions import bearer, coming_from, names_of_events, sign_in

SUBJECT = "New sign-in to your account"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
NEWER_FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:160.0) Gecko/20100101 Firefox/160.0"
CHROME = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/142.0 Safari/537.36"
HOME, CAFE = "203.0.113.7", "198.51.100.9"


async def told(admin: asyncpg.Connection, acme: Organisation, role: str = "viewer") -> list[str]:
    """The mails of new sign-ins somebody got."""
    letters = await letters_to(admin, acme.people[role].email)
    return [text for subject, text in letters if subject == SUBJECT]


async def come(
    doors: Doors, acme: Organisation, address: str, agent: str, **more: Any
) -> dict[str, Any]:
    async with coming_from(doors, address, agent) as client:
        return await sign_in(client, acme, "viewer", **more)


async def test_the_first_sign_in_is_no_news_and_another_device_is(
    doors: Doors, acme: Organisation, admin: asyncpg.Connection, house: House
) -> None:
    await come(doors, acme, HOME, FIREFOX)
    assert await told(admin, acme) == []
    assert "user.new_device" not in await names_of_events(admin, acme)
    await come(doors, acme, CAFE, CHROME)
    (text,) = await told(admin, acme)
    for part in ("Chrome on Windows", CAFE, "UTC", f"{house.settings.base_url}/account"):
        assert part in text
    assert (await names_of_events(admin, acme)).count("user.new_device") == 1
    await come(doors, acme, CAFE, CHROME)
    assert len(await told(admin, acme)) == 1


@pytest.mark.parametrize(
    ("address", "agent", "news"),
    [
        (HOME, NEWER_FIREFOX, False),
        (HOME, CHROME, True),
        (CAFE, FIREFOX, True),
    ],
)
async def test_a_device_is_the_same_program_and_system_in_the_same_network(
    doors: Doors,
    acme: Organisation,
    admin: asyncpg.Connection,
    address: str,
    agent: str,
    news: bool,
) -> None:
    await come(doors, acme, HOME, FIREFOX)
    await come(doors, acme, address, agent)
    assert bool(await told(admin, acme)) == news


async def test_a_device_that_shows_its_token_is_known_wherever_it_is(
    doors: Doors, acme: Organisation, admin: asyncpg.Connection, clock: FakeClock
) -> None:
    token = (await come(doors, acme, HOME, FIREFOX))["device_token"]
    await come(doors, acme, CAFE, FIREFOX, device_token=token)
    assert await told(admin, acme) == []
    # That of another account says nothing of this one.
    async with coming_from(doors, HOME, FIREFOX) as client:
        theirs = (await sign_in(client, acme, "owner"))["device_token"]
    await come(doors, acme, "192.0.2.1", FIREFOX, device_token=theirs)
    assert len(await told(admin, acme)) == 1
    clock.advance(days=181)
    await come(doors, acme, "192.0.2.2", FIREFOX, device_token=token)
    assert len(await told(admin, acme)) == 2


@pytest.mark.parametrize(("secure", "site"), [(True, "none"), (False, "lax")])
def test_the_cookie_of_a_device_comes_along_with_what_a_provider_posts(
    secure: bool, site: str
) -> None:
    kept = cookie_of("token", secure=secure)
    assert (kept["samesite"], kept["secure"], kept["httponly"]) == (site, secure, True)


async def test_a_wrong_password_tells_nobody_of_a_device(
    doors: Doors, acme: Organisation, admin: asyncpg.Connection
) -> None:
    await come(doors, acme, HOME, FIREFOX)
    async with coming_from(doors, CAFE, CHROME) as client:
        viewer = {"email": acme.people["viewer"].email, "password": "wrong"}
        assert (await client.post("/v1/auth/login", json=viewer)).status_code == 401
    assert await told(admin, acme) == []
    await come(doors, acme, CAFE, CHROME)
    assert len(await told(admin, acme)) == 1


async def test_moving_to_another_organisation_is_no_new_device(
    doors: Doors, acme: Organisation, globex: Organisation, admin: asyncpg.Connection, house: House
) -> None:
    viewer = acme.people["viewer"]
    own = await add_person(house, acme, email=f"x-{viewer.email}", role="viewer")
    there = await add_person(house, globex, email=f"x-{viewer.email}", role="viewer")
    await make_one_person(admin, there, own)
    await admin.execute("UPDATE users SET last_login_at = now() WHERE id = $1", there.id)
    async with coming_from(doors, HOME, FIREFOX) as client:
        body = {"email": own.email, "password": viewer.password, "tenant_id": str(acme.id)}
        tokens = (await client.post("/v1/auth/login", json=body)).json()
        moved = await client.post(
            "/v1/auth/switch-tenant", json={"tenant_id": str(globex.id)}, headers=bearer(tokens)
        )
    assert moved.status_code == 200, moved.text
    assert SUBJECT not in {subject for subject, _ in await letters_to(admin, own.email)}


async def test_only_a_hash_is_kept_of_a_device_noted_once_a_day(
    doors: Doors, acme: Organisation, admin: asyncpg.Connection, clock: FakeClock
) -> None:
    viewer = acme.people["viewer"].id
    kept = "SELECT mark, first_seen_at, last_seen_at FROM known_devices WHERE user_id = $1"
    await come(doors, acme, HOME, FIREFOX)
    (first,) = await admin.fetch(kept, viewer)
    assert len(first["mark"]) == 32
    clock.advance(hours=5)
    await come(doors, acme, HOME, FIREFOX)
    assert (await admin.fetchrow(kept, viewer))["last_seen_at"] == first["last_seen_at"]
    clock.advance(hours=20)
    await come(doors, acme, HOME, FIREFOX)
    (last,) = await admin.fetch(kept, viewer)
    assert last["last_seen_at"] == clock.now()
    assert last["first_seen_at"] == first["first_seen_at"]


async def test_an_owner_reads_of_it_in_the_log(
    doors: Doors, client: httpx.AsyncClient, acme: Organisation
) -> None:
    await come(doors, acme, HOME, FIREFOX)
    await come(doors, acme, CAFE, CHROME)
    asked = {"event_type": "user.new_device", "user_id": str(acme.people["viewer"].id)}
    log = await client.get("/v1/admin/audit/auth", params=asked, headers=await acme.headers(client))
    (entry,) = log.json()["data"]
    assert "Chrome on Windows" in str(entry)
    assert CAFE in str(entry)
