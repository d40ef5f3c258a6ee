"""Nobody who is gone from a region is still known to the home region's directory."""

import asyncpg
import httpx

from tests.given import Organisation


async def noted(admin: asyncpg.Connection, tenant: Organisation) -> set[str]:
    rows = await admin.fetch("SELECT user_id FROM remote_directory WHERE tenant_id = $1", tenant.id)
    return {str(row["user_id"]) for row in rows}


async def test_whoever_is_removed_leaves_or_is_uninvited_is_known_nowhere_at_once(
    caller: httpx.AsyncClient, berlin: Organisation, admin: asyncpg.Connection
) -> None:
    owner = await berlin.headers(caller)
    viewer = await berlin.headers(caller, "viewer")
    new = {"email": f"new@{berlin.people['owner'].email.partition('@')[2]}"}
    invited = (await caller.post("/v1/users", json=new, headers=owner)).json()["id"]
    gone = {invited, str(berlin.people["guest"].id), str(berlin.people["viewer"].id)}
    before = await noted(admin, berlin)
    assert gone <= before
    for path, headers in (
        (f"/v1/users/{invited}/invitation", owner),
        (f"/v1/users/{berlin.people['guest'].id}", owner),
        ("/v1/auth/me", viewer),
    ):
        assert (await caller.delete(path, headers=headers)).status_code == 204, path
    assert await noted(admin, berlin) == before - gone


async def test_a_removal_that_is_refused_leaves_the_way_in(
    caller: httpx.AsyncClient, berlin: Organisation, admin: asyncpg.Connection
) -> None:
    owner = await berlin.headers(caller)
    before = await noted(admin, berlin)
    assert (await caller.delete("/v1/auth/me", headers=owner)).status_code == 409
    assert await noted(admin, berlin) == before
    await berlin.headers(caller)
