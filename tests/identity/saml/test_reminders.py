"""Letters before something ends that sign-in by SAML rests on."""

from datetime import timedelta

import asyncpg
import httpx
import pytest

from leanvibe_server.identity.key_pairs import VALID_FOR
from leanvibe_server.identity.saml import reminders
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_mail import endings_told
from tests.identity.saml.documents import IDP, NOW, metadata, new_pair
from tests.identity.saml.provider import connect

ENDING = new_pair(begins=NOW - timedelta(days=300), days=340)
THEIRS, OURS = "The signing certificate of Corp", "The SAML certificate of your organisation"


async def test_administrators_hear_of_a_certificates_end_three_times(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    await connect(client, acme, text=metadata(pairs=(ENDING,)))
    numbers = []
    for _ in range(41):
        await reminders.sweep(acme.house)
        await reminders.sweep(acme.house)
        numbers.append(len(await endings_told(admin, acme)))
        clock.advance(days=1)
    assert [numbers[day] for day in (0, 9, 10, 32, 33, 38, 39, 40)] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert {subject.partition(" ends on ")[0] for subject in await endings_told(admin, acme)} == {
        THEIRS
    }
    assert len(await endings_told(admin, acme, "admin")) == 3
    assert await endings_told(admin, acme, "manager") == []
    told = await admin.fetchval(
        "SELECT count(*) FROM events WHERE tenant_id = $1 AND name = 'saml.end_nears'", acme.id
    )
    assert told == 3


async def test_who_has_the_right_by_a_role_of_the_tenants_own_hears_it_too(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    await connect(client, acme, text=metadata(pairs=(ENDING,)))
    headers = await acme.headers(client)
    role = {"name": "guardian", "permissions": ["security:read", "security:manage"]}
    assert (await client.post("/v1/roles", json=role, headers=headers)).status_code == 201
    await admin.execute(
        "UPDATE users SET role = 'guardian' WHERE id = $1", acme.people["viewer"].id
    )
    await admin.execute(
        "UPDATE users SET status = 'disabled' WHERE id = $1", acme.people["admin"].id
    )
    clock.advance(days=20)
    await reminders.sweep(acme.house)
    assert len(await endings_told(admin, acme, "viewer")) == 1
    assert await endings_told(admin, acme, "admin") == []


async def test_a_certificate_that_has_a_successor_worries_nobody(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    await connect(client, acme, text=metadata(pairs=(ENDING, IDP)))
    clock.advance(days=39)
    await reminders.sweep(acme.house)
    assert await endings_told(admin, acme) == []


async def test_metadata_that_was_sent_by_hand_ends_too(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    await connect(client, acme, text=metadata(valid_until=NOW + timedelta(days=5)))
    await reminders.sweep(acme.house)
    (subject,) = await endings_told(admin, acme)
    assert subject.startswith("The metadata of Corp ends on 07 March 2026")


@pytest.mark.parametrize("state", ["disabled", "plan", "deleting"])
async def test_nobody_hears_of_what_is_not_in_use(
    client: httpx.AsyncClient,
    acme: Organisation,
    clock: FakeClock,
    admin: asyncpg.Connection,
    state: str,
) -> None:
    await connect(client, acme, text=metadata(pairs=(ENDING,)))
    statement = {
        "disabled": "UPDATE sso_providers SET enabled = false WHERE tenant_id = $1",
        "plan": "UPDATE tenants SET plan = 'team' WHERE id = $1",
        "deleting": "UPDATE tenants SET status = 'deleting', deletes_at = now() WHERE id = $1",
    }[state]
    await admin.execute(statement, acme.id)
    clock.advance(days=20)
    await reminders.sweep(acme.house)
    assert await endings_told(admin, acme) == []


async def test_our_own_certificate_ends_too(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    await connect(client, acme)
    clock.advance(days=VALID_FOR.days - 25)
    await reminders.sweep(acme.house)
    (subject,) = await endings_told(admin, acme)
    assert subject.startswith(OURS)
    clock.advance(days=20)
    await reminders.sweep(acme.house)
    assert len(await endings_told(admin, acme)) == 2
