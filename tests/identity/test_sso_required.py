"""Single sign-on only: what a password still opens, and what it opened before."""

import asyncpg
import httpx
import pytest

from leanvibe_server.identity.federation import service as providers
from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_people import system_scope
from tests.identity.given_providers import add_provider, change_provider, link_identity
from tests.identity.given_sessions import bearer, set_policy, sign_in, status
from tests.identity.mfa.given_factors import enrol, totp_code
from tests.identity.oidc_world import World, make_world


@pytest.fixture
async def world(client: httpx.AsyncClient, acme: Organisation) -> World:
    return await make_world(client, acme)


async def log_in(world: World, role: str, **more: str) -> httpx.Response:
    person = world.organisation.people[role]
    body = {"email": person.email, "password": person.password} | more
    return await world.client.post("/v1/auth/login", json=body)


async def test_a_right_password_is_refused_like_a_wrong_one(world: World) -> None:
    await set_policy(world.organisation.house, world.organisation, sso_required=True)
    right = await log_in(world, "developer")
    wrong = await log_in(world, "developer", password="not the password of anybody")
    stranger = await log_in(world, "developer", email="stranger@nowhere.example")
    answers = {
        (one.status_code, one.json()["message"], str(one.json()["details"]))
        for one in (right, wrong, stranger)
    }
    assert len(answers) == 1
    assert right.status_code == 401
    assert "single sign-on" in right.json()["message"]


async def test_the_log_says_why_whether_the_password_was_right_or_wrong(
    world: World, admin: asyncpg.Connection
) -> None:
    await set_policy(world.organisation.house, world.organisation, sso_required=True)
    await log_in(world, "developer")
    await log_in(world, "developer", password="not the password of anybody")
    noted = await admin.fetch(
        "SELECT payload ->> 'reason' AS reason FROM events "
        "WHERE tenant_id = $1 AND name = 'user.login_failed'",
        world.organisation.id,
    )
    reasons = [row["reason"] for row in noted]
    assert reasons == ["a password where single sign-on is asked for"] * 2


async def test_a_right_password_that_opens_nothing_counts_as_a_failure(world: World) -> None:
    await set_policy(world.organisation.house, world.organisation, sso_required=True)
    answers = [(await log_in(world, "developer")).status_code for _ in range(12)]
    assert 429 in answers


async def test_an_owner_still_comes_in_by_password(world: World) -> None:
    await set_policy(world.organisation.house, world.organisation, sso_required=True)
    assert (await log_in(world, "owner")).status_code == 200


async def test_sessions_of_a_password_end_at_the_next_request_but_an_owner_s(
    world: World,
) -> None:
    client, organisation = world.client, world.organisation
    by_password = await sign_in(client, organisation, "admin")
    owner = await sign_in(client, organisation, "owner")
    by_provider = (await world.sign_in()).json()
    key = (
        await client.post("/v1/api-keys", json={"name": "CI"}, headers=bearer(by_password))
    ).json()["key"]
    on = await client.put(
        "/v1/tenants/me/security", json={"sso_required": True}, headers=bearer(owner)
    )
    assert on.status_code == 200, on.text
    assert await status(client, by_password) == 401
    renewed = await client.post(
        "/v1/auth/refresh", json={"refresh_token": by_password["refresh_token"]}
    )
    assert renewed.status_code == 401
    assert await status(client, owner) == 200
    assert await status(client, by_provider) == 200
    renewed = await client.post(
        "/v1/auth/refresh", json={"refresh_token": by_provider["refresh_token"]}
    )
    assert renewed.status_code == 200
    with_key = await client.get("/v1/projects", headers={"Authorization": f"Bearer {key}"})
    assert with_key.status_code == 200


async def test_who_is_no_longer_owner_keeps_no_session_of_a_password(world: World) -> None:
    client, organisation = world.client, world.organisation
    held = await sign_in(client, organisation, "owner")
    await set_policy(organisation.house, organisation, sso_required=True)
    assert await status(client, held) == 200
    async with organisation.house.database.tenant(organisation.id) as conn:
        await conn.execute(
            "UPDATE users SET role = 'admin' WHERE tenant_id = $1 AND id = $2",
            organisation.id,
            organisation.people["owner"].id,
        )
    assert await status(client, held) == 401


async def test_a_session_is_over_with_its_provider_whatever_went_on_meanwhile(
    world: World,
) -> None:
    """As if the session had been renewed while the provider was being turned off."""
    held = (await world.sign_in()).json()
    assert await status(world.client, held) == 200
    off = await change_provider(world.organisation.house, world.provider, enabled=False)
    assert await status(world.client, held) == 401
    await change_provider(world.organisation.house, off, enabled=True)
    assert await status(world.client, held) == 200


async def test_a_sign_in_that_waits_for_a_second_factor_ends_with_its_provider(
    world: World, house: House
) -> None:
    organisation = world.organisation
    await set_policy(house, organisation, mfa_required=True)
    waiting = await world.sign_in()
    assert waiting.status_code == 401
    token = waiting.json()["details"]["mfa_token"]
    async with house.database.tenant(organisation.id) as conn:
        await providers.disable(system_scope(house, organisation, conn), world.provider.id)
    setup = await world.client.post(
        "/v1/auth/mfa/setup", json={"method": "totp", "mfa_token": token}
    )
    assert setup.status_code == 401, setup.text


async def test_a_logout_at_the_provider_ends_a_sign_in_that_waits(
    world: World, house: House
) -> None:
    organisation = world.organisation
    await set_policy(house, organisation, mfa_required=True)
    token = (await world.sign_in()).json()["details"]["mfa_token"]
    other = await add_provider(house, organisation, issuer="https://other.example.com")
    async with house.database.tenant(organisation.id) as conn:
        scope = system_scope(house, organisation, conn)
        await providers.end_sessions(scope, other.id, reason="another provider")
        await providers.end_sessions(
            scope, world.provider.id, reason="logout", remote_session="another session"
        )
    body = {"method": "totp", "mfa_token": token}
    assert (await world.client.post("/v1/auth/mfa/setup", json=body)).status_code == 200
    async with house.database.tenant(organisation.id) as conn:
        await providers.end_sessions(
            system_scope(house, organisation, conn),
            world.provider.id,
            reason="logout",
            remote_session="session-1",
        )
    assert (await world.client.post("/v1/auth/mfa/setup", json=body)).status_code == 401


async def test_a_plan_that_is_lost_ends_a_sign_in_that_waits(
    world: World, house: House, clock: FakeClock
) -> None:
    organisation = world.organisation
    await link_identity(house, world.provider, organisation.people["owner"].id, "subject-1")
    secret = (await enrol(world.client, organisation, clock))["secret"]
    token = (await world.sign_in()).json()["details"]["mfa_token"]
    async with house.database.tenant(organisation.id) as conn:
        await conn.execute("UPDATE tenants SET plan = 'developer' WHERE id = $1", organisation.id)
    answer = await world.client.post(
        "/v1/auth/mfa/challenge", json={"mfa_token": token, "code": totp_code(secret, clock)}
    )
    assert answer.status_code == 401, answer.text
