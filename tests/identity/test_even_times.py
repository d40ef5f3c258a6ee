"""Somebody of two organisations: no answer tells by its time that there is such a person."""

from uuid import uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.identity.passwords import PasswordDesk
from leanvibe_server.kernel.house import House
from leanvibe_server.wiring import Doors
from tests.given import Organisation
from tests.identity.given_people import add_person
from tests.identity.given_sessions import coming_from
from tests.identity.timing import difference


@pytest.fixture
async def twice(
    house: House, acme: Organisation, globex: Organisation, admin: asyncpg.Connection
) -> str:
    """The address of somebody in two organisations, while refusals come on a beat: a slow one, as
    machines that run tests do other things too."""
    house.place(PasswordDesk(beat_s=0.4))
    await admin.execute("UPDATE tenants SET plan = 'team' WHERE id = $1", globex.id)
    email = f"both-{uuid4().hex[:10]}@people.example"
    for organisation in (acme, globex):
        await add_person(house, organisation, email=email, role="viewer")
    return email


async def test_sec_password_account_01_two_organisations_take_no_longer_than_none(
    client: httpx.AsyncClient, admin: asyncpg.Connection, twice: str
) -> None:
    async def attempt(email: str) -> None:
        await admin.execute("TRUNCATE login_failures")
        body = {"email": email, "password": "not the password at all"}
        assert (await client.post("/v1/auth/login", json=body)).status_code == 401

    stranger = "nobody@people.example"
    assert (
        await difference(lambda: attempt(twice), lambda: attempt(stranger), rounds=3, calls=5)
        < 0.05
    )


async def test_sec_password_account_02_two_letters_take_no_longer_than_none(
    doors: Doors, admin: asyncpg.Connection, twice: str
) -> None:
    callers = iter(range(250))

    async def ask(email: str) -> None:
        await admin.execute("TRUNCATE login_failures")
        async with coming_from(doors, f"10.9.0.{next(callers)}") as client:
            asked = await client.post("/v1/auth/password/forgot", json={"email": email})
        assert asked.status_code == 202

    stranger = "nobody@people.example"
    assert await difference(lambda: ask(twice), lambda: ask(stranger), rounds=3, calls=5) < 0.05
