"""Letters before the certificate ends by which a provider of OpenID Connect knows us."""

import asyncpg
import httpx
import pytest

from leanvibe_server.identity.key_pairs import VALID_FOR
from leanvibe_server.identity.oidc import reminders
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_mail import endings_told, letters_to
from tests.identity.oidc_world import World
from tests.identity.test_oidc_client_keys import keys_path, world  # noqa: F401  # a fixture


async def test_administrators_hear_of_our_keys_end_three_times(
    world: World,  # noqa: F811
    acme: Organisation,
    clock: FakeClock,
    admin: asyncpg.Connection,
) -> None:
    numbers = []
    clock.advance(days=VALID_FOR.days - 31)
    for _ in range(32):
        await reminders.sweep(acme.house)
        await reminders.sweep(acme.house)
        numbers.append(len(await endings_told(admin, acme)))
        clock.advance(days=1)
    assert [numbers[day] for day in (0, 1, 23, 24, 29, 30, 31)] == [0, 1, 1, 2, 2, 3, 3]
    assert await endings_told(admin, acme, "manager") == []
    (_, text), *_ = (
        letter
        for letter in await letters_to(admin, acme.people["owner"].email)
        if letter[0].startswith("The certificate of our key at Keys ends on")
    )
    assert "such as Entra ID" in text
    assert f"/settings/sso/{world.provider.id}" in text
    told = await admin.fetchval(
        "SELECT count(*) FROM events WHERE tenant_id = $1 AND name = 'sso_key.end_nears'", acme.id
    )
    assert told == 3


async def test_the_next_key_has_an_end_of_its_own(
    world: World,  # noqa: F811
    client: httpx.AsyncClient,
    acme: Organisation,
    clock: FakeClock,
    admin: asyncpg.Connection,
) -> None:
    clock.advance(days=VALID_FOR.days - 20)
    headers = await acme.headers(client)
    following = (await client.post(keys_path(world), headers=headers)).json()
    activated = await client.post(f"{keys_path(world)}/{following['id']}/activate", headers=headers)
    assert activated.status_code == 200, activated.text
    await reminders.sweep(acme.house)
    assert await endings_told(admin, acme) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sso_providers SET enabled = false WHERE tenant_id = $1",
        "UPDATE sso_providers SET configuration = jsonb_set(configuration,"
        " '{settings,token_endpoint_auth_method}', '\"none\"') WHERE tenant_id = $1",
        "UPDATE tenants SET plan = 'developer' WHERE id = $1",
        "UPDATE tenants SET status = 'deleting', deletes_at = now() WHERE id = $1",
    ],
    ids=["disabled", "another way", "plan", "deleting"],
)
async def test_nobody_hears_of_a_key_that_is_not_in_use(
    world: World,  # noqa: F811
    acme: Organisation,
    clock: FakeClock,
    admin: asyncpg.Connection,
    statement: str,
) -> None:
    await admin.execute(statement, acme.id)
    clock.advance(days=VALID_FOR.days - 20)
    await reminders.sweep(acme.house)
    assert await endings_told(admin, acme) == []
