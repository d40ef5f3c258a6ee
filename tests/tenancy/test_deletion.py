"""A tenant that is deleted can be read and restored for a while, and is then gone for good."""

import itertools
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.errors import Conflict
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.owner import delete_as_owner
from leanvibe_server.kernel.regions import TENANT_FOLDERS
from leanvibe_server.tenancy import purge
from tests.conftest import FakeClock, Ground
from tests.given import Organisation, platform_headers
from tests.tenancy.given_trees import below, put_below

TABLES = """
SELECT c.relname AS name FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
WHERE a.attname = 'tenant_id' AND c.relkind = 'r' AND NOT a.attisdropped
"""


async def _delete(
    client: httpx.AsyncClient, acme: Organisation, headers: dict[str, str]
) -> httpx.Response:
    return await client.delete(
        "/v1/tenants/me", params={"confirm": acme.tenant.slug}, headers=headers
    )


async def test_an_owner_deletes_the_organisation_by_typing_its_name_and_can_take_it_back(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client)
    typo = await client.delete("/v1/tenants/me", params={"confirm": "acme"}, headers=headers)
    assert (typo.status_code, typo.json()["details"]["field"]) == (400, "confirm")
    gone = await _delete(client, acme, headers)
    assert (gone.status_code, gone.json()["status"]) == (200, "deleting"), gone.text
    assert gone.json()["is_active"] is False
    assert gone.json()["deletes_at"] == "2026-04-01T12:00:00Z"
    again = await _delete(client, acme, headers)
    assert again.json()["deletes_at"] == gone.json()["deletes_at"]
    write = await client.post("/v1/projects", json={"name": "no"}, headers=headers)
    assert (write.status_code, write.json()["error"]) == (403, "tenant_suspended")
    assert (await client.get("/v1/projects", headers=headers)).status_code == 200
    mail = await admin.fetchval(
        "SELECT body FROM outgoing_mail WHERE tenant_id = $1 AND subject LIKE '%will be deleted'",
        acme.id,
    )
    assert "01 April 2026" in mail
    back = await client.post("/v1/tenants/me/restore", headers=headers)
    assert (back.status_code, back.json()["status"]) == (200, "active"), back.text
    assert back.json()["deletes_at"] is None
    write = await client.post("/v1/projects", json={"name": "yes"}, headers=headers)
    assert write.status_code == 201
    for whose in ("me", str(acme.id)):
        twice = await client.post(f"/v1/tenants/{whose}/restore", headers=headers)
        assert twice.status_code == 409
    told = await admin.fetch(
        "SELECT name FROM events WHERE tenant_id = $1 AND name LIKE 'tenant.%' ORDER BY id",
        acme.id,
    )
    assert [row["name"] for row in told][-2:] == ["tenant.deletion_scheduled", "tenant.restored"]


async def test_only_an_owner_with_a_fresh_proof_deletes_and_restores(
    client: httpx.AsyncClient, clock: FakeClock, acme: Organisation, globex: Organisation
) -> None:
    for role in ("admin", "viewer"):
        refused = await _delete(client, acme, await acme.headers(client, role))
        assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
    headers = await acme.headers(client)
    clock.advance(minutes=11)
    stale = await _delete(client, acme, headers)
    assert stale.json()["details"].get("reason") == "step_up_required"
    assert (await _delete(client, acme, await acme.headers(client))).status_code == 200
    for role, whose in itertools.product(("admin", "viewer"), ("me", str(acme.id))):
        refused = await client.post(
            f"/v1/tenants/{whose}/restore", headers=await acme.headers(client, role)
        )
        assert refused.status_code == 403
    stranger = await client.post(
        f"/v1/tenants/{acme.id}/restore", headers=await globex.headers(client)
    )
    assert stranger.status_code == 404


async def test_a_suspended_tenant_that_is_restored_is_still_suspended(
    client: httpx.AsyncClient, acme: Organisation, platform: dict[str, str]
) -> None:
    path = f"/v1/tenants/{acme.id}"
    await client.post(f"{path}/suspend", json={"reason": "unpaid"}, headers=platform)
    gone = await client.delete(path, params={"confirm": acme.tenant.slug}, headers=platform)
    assert gone.json()["status"] == "deleting", gone.text
    for verb in ("suspend", "reactivate"):
        refused = await client.post(f"{path}/{verb}", json={"reason": "x"}, headers=platform)
        assert refused.status_code == 409
    back = await client.post(f"{path}/restore", headers=platform)
    assert back.json()["status"] == "suspended"


async def test_after_the_grace_period_nothing_is_left_but_that_there_was_a_tenant(
    house: House,
    client: httpx.AsyncClient,
    clock: FakeClock,
    acme: Organisation,
    globex: Organisation,
    admin: asyncpg.Connection,
) -> None:
    headers = await acme.headers(client)
    made = await client.post("/v1/projects", json={"name": "p"}, headers=headers)
    task = {"title": "t", "project_id": made.json()["id"]}
    await client.post("/v1/tasks", json=task, headers=headers)
    key = await client.post("/v1/api-keys", json={"name": "k"}, headers=headers)
    places = [house.home_of(acme.id) / folder / str(acme.id) for folder in TENANT_FOLDERS]
    for place in places:
        _keep_a_file(place)
    await _delete(client, acme, headers)
    clock.advance(days=29)
    await purge.sweep(house)
    assert await admin.fetchval("SELECT count(*) FROM tenants WHERE id = $1", acme.id) == 1
    clock.advance(days=2)
    await purge.sweep(house)
    left = {
        row["name"]: await admin.fetchval(
            f'SELECT count(*) FROM "{row["name"]}" WHERE tenant_id = $1', acme.id
        )
        for row in await admin.fetch(TABLES)
    }
    assert {name: count for name, count in left.items() if count} == {"tenant_directory": 1}
    entry = await admin.fetchrow("SELECT * FROM tenant_directory WHERE tenant_id = $1", acme.id)
    assert entry is not None
    assert entry["slug"] == f"deleted-{acme.id}"
    assert entry["deleted_at"] == clock.now()
    assert [place for place in places if place.exists()] == []
    assert await admin.fetchval("SELECT count(*) FROM users WHERE tenant_id = $1", globex.id) == 1
    for credential in (headers["Authorization"], f"Bearer {key.json()['key']}"):
        answer = await client.get("/v1/projects", headers={"Authorization": credential})
        assert answer.status_code == 401
    platform = await platform_headers(house, client)
    assert (await client.get(f"/v1/tenants/{acme.id}", headers=platform)).status_code == 404
    told = await admin.fetchrow(
        "SELECT payload FROM events WHERE name = 'tenant.deleted'"
        " AND payload->>'deleted_tenant_id' = $1",
        str(acme.id),
    )
    assert told is not None
    await purge.sweep(house)


def _keep_a_file(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "HEAD").write_text("ref: refs/heads/main")


async def test_the_log_stays_append_only_for_every_login_of_the_house(
    house: House, ground: Ground, acme: Organisation, admin: asyncpg.Connection
) -> None:
    for role in ("leanvibe_app", "leanvibe_platform", "leanvibe_worker"):
        may = await admin.fetchval("SELECT has_table_privilege($1, 'events', 'DELETE')", role)
        assert not may, role


async def test_an_owner_of_the_schema_who_is_no_superuser_deletes_of_that_tenant_only(
    house: House,
    ground: Ground,
    acme: Organisation,
    globex: Organisation,
    admin: asyncpg.Connection,
) -> None:
    name = f"plain_{uuid4().hex[:8]}"
    await admin.execute(
        f"CREATE TABLE {name} (tenant_id uuid NOT NULL); CREATE ROLE {name} LOGIN PASSWORD 'x';"
        f"GRANT ALL ON SCHEMA public TO {name}; ALTER TABLE {name} OWNER TO {name};"
        f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
    )
    try:
        await admin.execute(f"INSERT INTO {name} VALUES ('{acme.id}'), ('{globex.id}')")
        url = ground.admin_dsn.split("@")[1]
        settings = _with_owner(house, f"postgresql://{name}:x@{url}")
        await delete_as_owner(settings, "us", acme.id, [name])
        rows = await admin.fetch(f"SELECT tenant_id FROM {name}")
        assert [row["tenant_id"] for row in rows] == [globex.id]
        policies = "SELECT count(*) FROM pg_policies WHERE tablename = $1"
        assert await admin.fetchval(policies, name) == 0
    finally:
        await admin.execute(
            f"DROP TABLE {name}; REVOKE ALL ON SCHEMA public FROM {name}; DROP ROLE {name}"
        )


def _with_owner(house: House, url: str) -> Settings:
    return replace(house.settings, database_url=url)


@pytest.mark.parametrize(("plan", "status"), [("enterprise", 200), ("gold", 400)])
async def test_a_platform_admin_puts_a_tenant_on_another_plan_which_holds_at_once(
    client: httpx.AsyncClient,
    globex: Organisation,
    platform: dict[str, str],
    plan: str,
    status: int,
) -> None:
    headers = await globex.headers(client)
    before = await client.get("/v1/projects", headers=headers)
    assert before.headers["X-RateLimit-Limit"] == "100"
    changed = await client.patch(f"/v1/tenants/{globex.id}", json={"plan": plan}, headers=platform)
    assert changed.status_code == status, changed.text
    if status == 200:
        await client.get("/v1/projects", headers=headers)
        after = await client.get("/v1/projects", headers=headers)
        assert after.headers["X-RateLimit-Limit"] == "10000"
        info = (await client.get("/v1/tenants/me/info", headers=headers)).json()
        assert (info["plan"], info["quotas"]["max_projects"]) == ("enterprise", 999999)


async def test_an_organisation_with_others_below_it_stays_and_gets_none_on_its_way_out(
    client: httpx.AsyncClient, house: House, acme: Organisation
) -> None:
    child = await below(house, acme, "North")
    headers = await acme.headers(client)
    refused = await _delete(client, acme, headers)
    assert (refused.status_code, refused.json()["error"]) == (409, "conflict"), refused.text

    await put_below(house, child.id, None)
    assert (await _delete(client, acme, headers)).status_code == 200
    with pytest.raises(Conflict):
        await put_below(house, child.id, acme.id)


async def test_a_purge_deletes_nothing_where_an_organisation_was_put_below_past_the_product(
    client: httpx.AsyncClient,
    house: House,
    clock: FakeClock,
    acme: Organisation,
    globex: Organisation,
    admin: asyncpg.Connection,
) -> None:
    _keep_a_file(folder := house.home_of(acme.id) / TENANT_FOLDERS[0] / str(acme.id))
    assert (await _delete(client, acme, await acme.headers(client))).status_code == 200
    raw = "UPDATE tenants SET parent_tenant_id = $2 WHERE id = $1"
    await admin.execute(raw, globex.id, acme.id)
    people = "SELECT count(*) FROM users WHERE tenant_id = $1"
    before = await admin.fetchval(people, acme.id)
    clock.advance(days=31)
    await purge.sweep(house)
    assert await admin.fetchval(people, acme.id) == before > 0
    assert folder.exists()
    await admin.execute(raw, globex.id, None)
    await purge.sweep(house)
    assert await admin.fetchval(people, acme.id) == 0


async def test_nobody_else_takes_back_what_an_owner_decided(
    client: httpx.AsyncClient, acme: Organisation, north: Organisation
) -> None:
    """Neither a key, whatever its scopes, nor who is above; and once back, work goes on."""
    owner = await north.headers(client)
    made = {"name": "k", "scopes": ["tenant:delete", "tenant:read", "project:create"]}
    key = (await client.post("/v1/api-keys", json=made, headers=owner)).json()["key"]
    assert (await _delete(client, north, owner)).status_code == 200
    above = await acme.headers(client) | {"X-Tenant-ID": str(north.id)}
    for headers in (above, {"Authorization": f"Bearer {key}"}):
        refused = await client.post("/v1/tenants/me/restore", headers=headers)
        assert refused.status_code == 403, refused.text
    assert (await client.post("/v1/tenants/me/restore", headers=owner)).status_code == 200
    by_key = {"Authorization": f"Bearer {key}"}
    work = await client.post("/v1/projects", json={"name": "p"}, headers=by_key)
    assert work.status_code == 201, work.text


async def test_when_the_grace_period_is_over_nobody_takes_it_back(
    house: House, client: httpx.AsyncClient, clock: FakeClock, acme: Organisation
) -> None:
    """What removes it may be at work: what came back would be a tenant without people or keys.
    Only what keeps it from going lets it come back."""
    await _delete(client, acme, await acme.headers(client))
    clock.advance(days=30)
    own, platform = await acme.headers(client), await platform_headers(house, client)
    for headers, whose in ((own, "me"), (own, acme.id), (platform, acme.id)):
        late = await client.post(f"/v1/tenants/{whose}/restore", headers=headers)
        assert (late.status_code, late.json()["error"]) == (409, "conflict"), late.text
    hold = await client.post("/v1/privacy/holds", json={"reason": "A claim"}, headers=own)
    assert hold.status_code == 201, hold.text
    assert (await client.post("/v1/tenants/me/restore", headers=own)).status_code == 200
