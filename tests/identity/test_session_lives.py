"""What a session outlives, and what it does not: roles, passwords, tenants, copied secrets."""

import asyncpg
import httpx
import pytest

from leanvibe_server.kernel.house import House
from leanvibe_server.wiring import Doors
from tests.given import PASSWORD, Organisation
from tests.identity.given_sessions import bearer, coming_from, set_policy, sign_in, status

NEW = "another horse battery staple"


async def _refresh(
    client: httpx.AsyncClient, token: str, headers: dict[str, str] | None = None
) -> httpx.Response:
    return await client.post("/v1/auth/refresh", json={"refresh_token": token}, headers=headers)


async def test_sec_session_refresh_03_a_token_of_one_tenant_is_none_of_another(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    held = await sign_in(client, acme, "viewer")
    token = held["refresh_token"]
    other = {"X-Tenant-ID": str(globex.id)}
    assert (await _refresh(client, token, other)).status_code == 403
    # The first characters name the tenant, as everybody may read; with others it is unknown there.
    theirs = (await sign_in(client, globex))["refresh_token"]
    crossed = theirs[: len(theirs) // 2] + token[len(theirs) // 2 :]
    assert (await _refresh(client, crossed)).status_code == 401
    assert (await _refresh(client, token, {"X-Tenant-ID": str(acme.id)})).status_code == 200


async def test_sec_session_refresh_01_a_copy_gives_itself_away_from_a_forbidden_network_too(
    client: httpx.AsyncClient, doors: Doors, house: House, acme: Organisation
) -> None:
    held = await sign_in(client, acme, "viewer")
    fresh = (await _refresh(client, held["refresh_token"])).json()
    await set_policy(house, acme, allowed_networks=["127.0.0.1"])
    async with coming_from(doors, "203.0.113.9") as thief:
        assert (await _refresh(thief, fresh["refresh_token"])).status_code == 403
        assert (await _refresh(thief, held["refresh_token"])).status_code == 401
    assert await status(client, fresh) == 401


async def test_sec_session_refresh_04_a_fresh_token_has_the_role_of_now(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    held = await sign_in(client, acme, "admin")
    owner = await acme.headers(client)
    user = f"/v1/users/{acme.people['admin'].id}"
    assert (await client.patch(user, json={"role": "viewer"}, headers=owner)).status_code == 200
    fresh = (await _refresh(client, held["refresh_token"])).json()
    for tokens in (held, fresh):
        role = {"name": "mine", "permissions": ["task:read"]}
        denied = await client.post("/v1/roles", json=role, headers=bearer(tokens))
        assert denied.status_code == 403
    assert fresh["user"]["role"] == "viewer"


async def test_sec_session_refresh_04_a_changed_password_ends_the_other_sessions(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    here, elsewhere = [await sign_in(client, acme, "viewer") for _ in range(2)]
    change = {"current_password": PASSWORD, "new_password": NEW}
    done = await client.post("/v1/auth/password/change", json=change, headers=bearer(here))
    assert done.is_success, done.text
    assert await status(client, elsewhere) == 401
    assert (await _refresh(client, elsewhere["refresh_token"])).status_code == 401


async def test_sec_session_refresh_05_its_secrets_are_neither_kept_nor_cached_nor_in_addresses(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    answer = await client.post(
        "/v1/auth/login", json={"email": acme.people["viewer"].email, "password": PASSWORD}
    )
    token = answer.json()["refresh_token"]
    assert answer.headers["cache-control"] == "no-store"
    kept = await admin.fetch("SELECT t::text FROM refresh_tokens t WHERE tenant_id = $1", acme.id)
    assert kept
    assert not any(token[-20:] in row["t"] for row in kept)
    for query in (f"?refresh_token={token}", f"?token={token}"):
        refused = await client.post(f"/v1/auth/refresh{query}")
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert (await _refresh(client, token)).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["Authorization", "X-Tenant-ID", "X-Tenant-Slug"])
async def test_sec_tenant_isolation_api_03_who_says_twice_for_whom_they_call_is_refused(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation, name: str
) -> None:
    own, other = [await tenant.headers(client) for tenant in (acme, globex)]
    said = {
        "Authorization": (own["Authorization"], other["Authorization"]),
        "X-Tenant-ID": (str(acme.id), str(globex.id)),
        "X-Tenant-Slug": (acme.tenant.slug, globex.tenant.slug),
    }[name]
    for first, second in (said, said[::-1]):
        headers = [*own.items(), (name, first), (name, second)]
        answer = await client.get("/v1/auth/me", headers=headers)
        assert answer.status_code == 400, answer.text
        assert answer.json()["details"]["reason"] == "header_twice"
