"""A slow key service keeps nobody waiting who does not need it: no transaction is ever open while
it is asked."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pyotp
import pytest

from leanvibe_server.kernel.data_keys import DataKeys, KeyNotAtHand
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import Jobs, Work, run_job
from leanvibe_server.kernel.master_keys import (
    Binding,
    LocalMasterKey,
    MasterKeys,
    MasterKeyUnavailable,
)
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.kernel.sealing import fetch_keys, seal, unseal
from leanvibe_server.tenancy.keys import service as keys
from tests.conftest import FakeClock, Ground
from tests.given import Organisation

OPEN = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
CACHE_S = 300
SECRET = b"ghp_cafebabe0000000000000000000000000000"


class SlowMasterKey(LocalMasterKey):
    """A key service that takes its time, and looks what the house does meanwhile."""

    remote = True

    def __init__(self, onlooker: asyncpg.Connection) -> None:
        super().__init__([b"k" * 32])
        self.calls, self.open_meanwhile, self.is_away = 0, 0, False
        self.gate = asyncio.Event()
        self.gate.set()
        self._onlooker, self._turn = onlooker, asyncio.Lock()

    async def wrap(self, key: bytes, binding: Binding) -> bytes:
        await self._dawdle()
        return await super().wrap(key, binding)

    async def unwrap(self, wrapped: bytes, binding: Binding) -> bytes:
        await self._dawdle()
        return await super().unwrap(wrapped, binding)

    async def _dawdle(self) -> None:
        if self.is_away:
            raise MasterKeyUnavailable("The key service does not answer.")
        self.calls += 1
        await asyncio.sleep(0.05)
        await self.gate.wait()
        async with self._turn:
            self.open_meanwhile += await self._onlooker.fetchval(OPEN)


@pytest.fixture
async def slow(house: House, ground: Ground) -> AsyncIterator[SlowMasterKey]:
    onlooker = await asyncpg.connect(ground.admin_dsn)
    master = SlowMasterKey(onlooker)
    house.data_keys = DataKeys(MasterKeys(master), cache_s=CACHE_S)
    yield master
    await onlooker.close()


def _project(name: str) -> dict[str, object]:
    credentials = {"type": "token", "token": SECRET.decode(), "username": "ada"}
    address = "https://git.example.com/a.git"
    return {"name": name, "repository_url": address, "credentials": credentials}


async def test_secrets_are_kept_and_used_without_a_transaction_that_waits(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, slow: SlowMasterKey
) -> None:
    headers = await acme.headers(client, "admin")
    made = await client.post("/v1/projects", json=_project("one"), headers=headers)
    assert made.status_code == 201, made.text
    assert slow.calls == 2  # wrapped once, unwrapped once
    clock.advance(seconds=CACHE_S + 1)
    path = f"/v1/projects/{made.json()['id']}"
    changed = await client.patch(path, json=_project("two"), headers=headers)
    assert changed.status_code == 200, changed.text
    setup = await client.post("/v1/auth/mfa/setup", json={"method": "totp"}, headers=headers)
    assert setup.status_code == 200, setup.text
    clock.advance(seconds=CACHE_S + 1)
    code = pyotp.TOTP(setup.json()["secret"]).at(clock.now())
    headers = await acme.headers(client, "admin")
    right = {"method": "totp", "code": code}
    confirmed = await client.post("/v1/auth/mfa/verify", json=right, headers=headers)
    assert confirmed.status_code == 200, confirmed.text
    assert slow.calls >= 4
    assert slow.open_meanwhile == 0


async def test_a_request_that_had_to_fetch_the_key_is_done_once(
    client: httpx.AsyncClient, acme: Organisation, slow: SlowMasterKey, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client, "admin") | {"Idempotency-Key": "one"}
    answers = [
        await client.post("/v1/projects", json=_project("one"), headers=headers) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    made = "SELECT count(*) FROM events WHERE tenant_id = $1 AND name = $2"
    assert await admin.fetchval(made, acme.id, "project.created") == 1
    assert await admin.fetchval(made, acme.id, "data_key.created") == 1


async def test_many_who_need_a_first_key_leave_connections_to_the_others(
    client: httpx.AsyncClient, acme: Organisation, slow: SlowMasterKey
) -> None:
    headers = await acme.headers(client, "admin")
    slow.gate.clear()
    waiting = [
        asyncio.create_task(client.post("/v1/projects", json=_project(f"{n}"), headers=headers))
        for n in range(acme.house.settings.database_pool_size + 3)
    ]
    while slow.calls < len(waiting):
        await asyncio.sleep(0.02)
    reads = (client.get("/v1/projects", headers=headers) for _ in range(4))
    assert {answer.status_code for answer in await asyncio.gather(*reads)} == {200}
    slow.gate.set()
    assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {201}


async def test_while_the_key_service_is_away_only_what_needs_it_is_refused(
    client: httpx.AsyncClient, acme: Organisation, slow: SlowMasterKey
) -> None:
    headers = await acme.headers(client, "admin")
    slow.is_away = True
    refused = await client.post("/v1/projects", json=_project("one"), headers=headers)
    assert (refused.status_code, refused.json()["error"]) == (503, "service_unavailable")
    plain = await client.post("/v1/projects", json={"name": "plain"}, headers=headers)
    assert plain.status_code == 201
    slow.is_away = False
    again = await client.post("/v1/projects", json=_project("one"), headers=headers)
    assert again.status_code == 201


async def test_inside_a_transaction_the_key_service_is_never_asked(
    acme: Organisation, slow: SlowMasterKey, clock: FakeClock
) -> None:
    place = ("projects", "credentials", acme.id)
    async with acme.house.database.tenant(acme.id) as conn:
        scope = Scope(conn, acme.id, SYSTEM, clock, acme.house)
        with pytest.raises(KeyNotAtHand):
            await seal(scope, SECRET, place=place)
        assert slow.calls == 0
    await fetch_keys(acme.house, acme.id, to_seal=True)
    async with acme.house.database.tenant(acme.id) as conn:
        scope = Scope(conn, acme.id, SYSTEM, clock, acme.house)
        sealed = await seal(scope, SECRET, place=place)
        clock.advance(seconds=CACHE_S + 1)
        with pytest.raises(KeyNotAtHand):
            await unseal(scope, sealed, place=place)


async def test_a_job_that_needs_a_key_is_done_again_with_it(
    client: httpx.AsyncClient, acme: Organisation, slow: SlowMasterKey, clock: FakeClock
) -> None:
    headers = await acme.headers(client, "admin")
    for name in ("one", "two"):
        await client.post("/v1/projects", json=_project(name), headers=headers)
    assert (await client.post("/v1/tenants/me/keys/rotate", headers=headers)).status_code == 201
    clock.advance(seconds=CACHE_S + 1)
    await keys.reseal(Work(acme.house, acme.id, 0))
    tries = []

    async def needy(work: Work) -> None:
        tries.append(work)
        async with work.scope() as scope:
            await seal(scope, SECRET, place=("projects", "credentials", acme.id))

    clock.advance(seconds=CACHE_S + 1)
    jobs = Jobs()
    jobs.add("needy", needy)
    await run_job(acme.house, "needy", needy, _Job(acme))  # type: ignore[arg-type]  # as much as is read of it
    assert len(tries) == 2
    assert slow.open_meanwhile == 0


class _Job:
    def __init__(self, org: Organisation) -> None:
        self.payload = f'{{"tenant_id": "{org.id}"}}'.encode()
        self.attempts = 0


async def test_after_the_keys_were_destroyed_a_new_secret_is_refused_and_nothing_crashes(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client, "admin")
    assert (
        await client.post("/v1/projects", json=_project("one"), headers=headers)
    ).status_code == 201
    async with acme.house.database.tenant(acme.id) as conn:
        await keys.destroy_all(Scope(conn, acme.id, SYSTEM, acme.house.clock, acme.house))
    refused = await client.post("/v1/projects", json=_project("two"), headers=headers)
    assert (refused.status_code, refused.json()["error"]) == (409, "conflict")
    assert refused.json()["details"]["reason"] == "keys_destroyed"
