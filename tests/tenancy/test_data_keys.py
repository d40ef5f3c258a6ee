"""A tenant's data keys are rotated while everything runs, and destroyed for good."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import pytest

from leanvibe_server.kernel import data_keys
from leanvibe_server.kernel.crypto import Undecipherable
from leanvibe_server.kernel.data_keys import DataKeys
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import Work
from leanvibe_server.kernel.key_providers import load_master_keys
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.kernel.sealing import prefix_of
from leanvibe_server.projects import service as projects
from leanvibe_server.tenancy.keys import service
from tests.conftest import FakeClock
from tests.given import Organisation

TOKEN = "ghp_cafebabe0000000000000000000000000000"


@pytest.fixture
async def headers(client: httpx.AsyncClient, acme: Organisation) -> dict[str, str]:
    return await acme.headers(client, "admin")


async def _project(client: httpx.AsyncClient, headers: dict[str, str], token: str = TOKEN) -> UUID:
    answer = await client.post(
        "/v1/projects",
        json={
            "name": "sealed",
            "repository_url": "https://git.example.com/a.git",
            "credentials": {"type": "token", "token": token, "username": "ada"},
        },
        headers=headers,
    )
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


async def _token(org: Organisation, project_id: UUID) -> str | None:
    async with org.house.database.tenant(org.id) as conn:
        scope = Scope(conn, org.id, SYSTEM, org.house.clock, org.house)
        project = await projects.require_project(scope, project_id)
    opened = await projects.git_credentials(org.house, project)
    assert opened is not None
    return opened.token


async def _rotate(client: httpx.AsyncClient, headers: dict[str, str]) -> list[dict[str, object]]:
    answer = await client.post("/v1/tenants/me/keys/rotate", headers=headers)
    assert answer.status_code == 201, answer.text
    return list(answer.json()["data"])


async def test_a_rotation_seals_everything_anew_and_the_old_key_goes_a_day_later(
    client: httpx.AsyncClient,
    acme: Organisation,
    headers: dict[str, str],
    admin: asyncpg.Connection,
    clock: FakeClock,
) -> None:
    project_id = await _project(client, headers)
    old = acme.house.vault.seal(
        b'{"username":"ada","token":"from before","private_key":null}',
        tenant_id=acme.id,
        place=("projects", "credentials", project_id),
    )
    other_id = await _project(client, headers)
    await admin.execute(
        "UPDATE projects SET credentials_sealed = $2 WHERE id = $1", project_id, old
    )
    keys = await _rotate(client, headers)
    assert [(key["version"], key["status"]) for key in keys] == [(2, "active"), (1, "retired")]
    assert await _token(acme, other_id) == TOKEN
    work = Work(acme.house, acme.id, 0)
    await service.reseal(work)
    sealed = await admin.fetch(
        "SELECT credentials_sealed FROM projects WHERE tenant_id = $1", acme.id
    )
    assert all(row["credentials_sealed"].startswith(prefix_of(2)) for row in sealed)
    await service.destroy_unused(work)
    assert (await _status(client, headers))[1] == "retired"
    clock.advance(hours=25)
    headers = await acme.headers(client, "admin")
    await service.destroy_unused(work)
    assert await _status(client, headers) == {2: "active", 1: "destroyed"}
    assert await _token(acme, project_id) == "from before"
    assert await _token(acme, other_id) == TOKEN


async def _status(client: httpx.AsyncClient, headers: dict[str, str]) -> dict[int, str]:
    answer = await client.get("/v1/tenants/me/keys", headers=headers)
    return {key["version"]: key["status"] for key in answer.json()["data"]}


async def test_a_version_that_still_seals_something_is_not_destroyed(
    client: httpx.AsyncClient, acme: Organisation, headers: dict[str, str], clock: FakeClock
) -> None:
    project_id = await _project(client, headers)
    await _rotate(client, headers)
    clock.advance(hours=25)
    await service.destroy_unused(Work(acme.house, acme.id, 0))
    assert await _token(acme, project_id) == TOKEN


async def test_sec_crypto_residency_gdpr_03_a_key_is_rotated_while_others_read_and_write(
    client: httpx.AsyncClient, acme: Organisation, headers: dict[str, str]
) -> None:
    ids = [await _project(client, headers, f"token-{number}") for number in range(3)]

    async def read() -> list[str | None]:
        return [await _token(acme, one) for one in ids]

    async def rotate() -> None:
        await _rotate(client, headers)
        await service.reseal(Work(acme.house, acme.id, 0))

    async def write() -> UUID:
        return await _project(client, headers, "late")

    read_before, _, late, read_after = await asyncio.gather(read(), rotate(), write(), read())
    assert read_before == read_after == [f"token-{number}" for number in range(3)]
    assert await _token(acme, late) == "late"


async def test_a_rotation_waits_for_who_is_sealing_and_two_at_once_make_one_key(
    client: httpx.AsyncClient, acme: Organisation, headers: dict[str, str]
) -> None:
    await _project(client, headers)
    house = acme.house
    async with house.database.tenant(acme.id) as conn:
        held = await data_keys.hold_current(conn, acme.id)
        assert held is not None
        waiting = asyncio.create_task(_rotate(client, headers))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    assert len(await waiting) == 2
    answers = await asyncio.gather(
        *(client.post("/v1/tenants/me/keys/rotate", headers=headers) for _ in range(2))
    )
    assert sorted(answer.status_code for answer in answers) in ([201, 201], [201, 409])


@pytest.mark.parametrize("role", ["manager", "developer", "viewer", "guest"])
async def test_only_owners_and_admins_see_or_rotate_keys(
    client: httpx.AsyncClient, acme: Organisation, role: str
) -> None:
    headers = await acme.headers(client, role)
    assert (await client.get("/v1/tenants/me/keys", headers=headers)).status_code == 403
    assert (await client.post("/v1/tenants/me/keys/rotate", headers=headers)).status_code == 403


async def test_a_rotation_asks_for_a_fresh_proof(
    client: httpx.AsyncClient, headers: dict[str, str], clock: FakeClock
) -> None:
    clock.advance(minutes=11)
    answer = await client.post("/v1/tenants/me/keys/rotate", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["details"]["reason"] == "step_up_required"


async def test_sec_crypto_residency_gdpr_02_destroyed_keys_open_nothing_even_from_a_backup(
    client: httpx.AsyncClient,
    acme: Organisation,
    globex: Organisation,
    headers: dict[str, str],
    admin: asyncpg.Connection,
    house: House,
) -> None:
    mine = await _project(client, headers)
    theirs = await _project(client, await globex.headers(client))
    backup = await admin.fetch("SELECT * FROM data_keys WHERE tenant_id = $1", acme.id)
    # Another process, which has the key in its memory.
    other = replace(house)
    other.data_keys = house.data_keys
    async with house.database.tenant(acme.id) as conn:
        gone = await service.destroy_all(Scope(conn, acme.id, SYSTEM, house.clock, house))
    assert gone == 1
    for one in (house, other):
        with pytest.raises(projects.CredentialsUnreadable):
            await _token(replace(acme, house=one), mine)
    await admin.execute("DELETE FROM data_keys WHERE tenant_id = $1", acme.id)
    await admin.executemany(
        "INSERT INTO data_keys VALUES ($1, $2, $3, $4, $5, $6, $7)", [tuple(row) for row in backup]
    )
    house.data_keys = DataKeys(load_master_keys(house.settings, house.vault), cache_s=300)
    with pytest.raises(projects.CredentialsUnreadable):
        await _token(acme, mine)
    assert await _token(globex, theirs) == TOKEN
    answer = await client.post("/v1/tenants/me/keys/rotate", headers=headers)
    assert answer.status_code == 409


async def test_keys_are_wrapped_anew_by_another_master_key_and_the_values_stay(
    client: httpx.AsyncClient,
    acme: Organisation,
    headers: dict[str, str],
    house: House,
    tmp_path: Path,
) -> None:
    project_id = await _project(client, headers)
    fresh = "A" * 43 + "="
    settings = replace(house.settings, wrapping_keys=fresh)
    house.data_keys = DataKeys(load_master_keys(settings, house.vault), cache_s=300)
    assert await _token(acme, project_id) == TOKEN
    assert await service.rewrap_of(house, acme.id) == 1
    assert await service.rewrap_of(house, acme.id) == 0
    assert await _token(acme, project_id) == TOKEN
    house.data_keys = DataKeys(load_master_keys(house.settings, house.vault), cache_s=300)
    with pytest.raises((Undecipherable, projects.CredentialsUnreadable)):
        await _token(acme, project_id)


async def test_what_happens_to_keys_stands_in_the_log(
    client: httpx.AsyncClient, acme: Organisation, headers: dict[str, str], clock: FakeClock
) -> None:
    await _project(client, headers)
    await _rotate(client, headers)
    await service.reseal(Work(acme.house, acme.id, 0))
    clock.advance(seconds=timedelta(hours=25).total_seconds())
    await service.destroy_unused(Work(acme.house, acme.id, 0))
    headers = await acme.headers(client, "admin")
    answer = await client.get("/v1/admin/audit", params={"limit": 100}, headers=headers)
    names = [entry["event_type"] for entry in answer.json()["data"]]
    assert [name for name in reversed(names) if name.startswith("data_key.")] == [
        "data_key.created",
        "data_key.rotated",
        "data_key.fields_resealed",
        "data_key.destroyed",
    ]
