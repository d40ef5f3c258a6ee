"""Acting for an organisation below one's own: what it asks for, and when it ends."""

import asyncpg
import httpx
import pytest

from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_providers import add_provider
from tests.identity.given_sessions import bearer, set_policy, sign_in
from tests.tenancy.given_trees import below

PATH = "/v1/projects"


async def refusal(client: httpx.AsyncClient, headers: dict[str, str]) -> str:
    answer = await client.get(PATH, headers=headers)
    assert answer.status_code == 403, answer.text
    return str(answer.json()["details"].get("reason"))


@pytest.mark.parametrize("role", ["owner", "admin"])
async def test_who_came_by_a_password_does_not_act_where_a_provider_is_asked_for(
    client: httpx.AsyncClient,
    house: House,
    acme: Organisation,
    admin: asyncpg.Connection,
    role: str,
) -> None:
    child = await below(house, acme, "North")
    acting = await acme.headers(client, role) | {"X-Tenant-ID": str(child.id)}
    assert (await client.get(PATH, headers=acting)).status_code == 200
    await set_policy(house, child, sso_required=True)
    assert await refusal(client, acting) == "sso_required"
    # Some provider of another tenant did once, before the session was moved here.
    own = acme.id, acme.people[role].id
    await admin.execute(
        "UPDATE sessions SET amr = '{fed}' WHERE tenant_id = $1 AND user_id = $2", *own
    )
    assert await refusal(client, acting) == "sso_required"
    # One of their own organisation vouched for them.
    provider = await add_provider(house, acme)
    await admin.execute(
        "UPDATE sessions SET provider_id = $3 WHERE tenant_id = $1 AND user_id = $2",
        *own,
        provider.id,
    )
    assert (await client.get(PATH, headers=acting)).status_code == 200


async def test_a_key_acts_below_also_where_a_provider_is_asked_for(
    client: httpx.AsyncClient, house: House, acme: Organisation
) -> None:
    child = await below(house, acme, "North")
    await set_policy(house, child, sso_required=True, mfa_required=True)
    new = {"name": "k", "scopes": ["project:read", "organization:manage"]}
    made = await client.post("/v1/api-keys", json=new, headers=await acme.headers(client))
    key = {"Authorization": f"Bearer {made.json()['key']}", "X-Tenant-ID": str(child.id)}
    assert (await client.get(PATH, headers=key)).status_code == 200


async def test_a_session_that_is_too_old_below_is_none_there(
    client: httpx.AsyncClient, house: House, acme: Organisation, clock: FakeClock
) -> None:
    child = await below(house, acme, "North")
    tokens = await sign_in(client, acme)
    named = {"X-Tenant-ID": str(child.id)}
    await set_policy(house, child, session_idle_minutes=15)
    assert (await client.get(PATH, headers=bearer(tokens) | named)).status_code == 200
    clock.advance(minutes=16)
    assert await refusal(client, bearer(tokens) | named) == "session_too_old"
    # Seen at home just now, it has not rested any more.
    assert (await client.get(PATH, headers=bearer(tokens))).status_code == 200
    assert (await client.get(PATH, headers=bearer(tokens) | named)).status_code == 200
    await set_policy(house, child, session_absolute_hours=1)
    clock.advance(minutes=43)
    renewed = await client.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert (await client.get(PATH, headers=bearer(renewed.json()) | named)).status_code == 200
    clock.advance(minutes=2)
    assert await refusal(client, bearer(renewed.json()) | named) == "session_too_old"
    assert (await client.get(PATH, headers=bearer(renewed.json()))).status_code == 200


async def test_who_is_signed_out_or_disabled_at_home_acts_nowhere(
    client: httpx.AsyncClient, house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    child = await below(house, acme, "North")
    tokens = await sign_in(client, acme, "admin")
    acting = bearer(tokens) | {"X-Tenant-ID": str(child.id)}
    assert (await client.get(PATH, headers=acting)).status_code == 200
    assert (await client.post("/v1/auth/logout", headers=bearer(tokens))).status_code < 300
    assert (await client.get(PATH, headers=acting)).status_code == 401
    again = await acme.headers(client, "admin") | {"X-Tenant-ID": str(child.id)}
    assert (await client.get(PATH, headers=again)).status_code == 200
    await admin.execute(
        "UPDATE users SET status = 'disabled' WHERE tenant_id = $1 AND id = $2",
        acme.id,
        acme.people["admin"].id,
    )
    assert (await client.get(PATH, headers=again)).status_code == 401


async def test_an_organisation_that_is_being_deleted_is_read_and_one_that_is_gone_is_none(
    client: httpx.AsyncClient, house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    child = await below(house, acme, "North")
    acting = await acme.headers(client, "admin") | {"X-Tenant-ID": str(child.id)}
    for status in ("suspended", "deleting"):
        await admin.execute(
            "UPDATE tenants SET status = $2,"
            " deletes_at = CASE WHEN $2 = 'deleting' THEN now() END WHERE id = $1",
            child.id,
            status,
        )
        assert (await client.get(PATH, headers=acting)).status_code == 200
        assert (await client.post(PATH, json={"name": "x"}, headers=acting)).status_code == 403
    await admin.execute("DELETE FROM events WHERE tenant_id = $1", child.id)
    await admin.execute("DELETE FROM tenants WHERE id = $1", child.id)
    assert (await client.get(PATH, headers=acting)).status_code == 403
