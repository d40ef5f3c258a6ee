"""Keys that one process rotates or destroys are those of every other at its next use."""

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import httpx
import pytest

from leanvibe_server import wiring
from leanvibe_server.identity import keys as signing_keys
from leanvibe_server.kernel.crypto import Undecipherable
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import Work
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.kernel.sealing import seal, unseal_for
from leanvibe_server.tenancy.keys import service as data_keys
from tests.conftest import FakeClock
from tests.given import Organisation

PLACE = ("projects", "credentials", UUID(int=7))


@pytest.fixture
async def other(house: House, clock: FakeClock) -> AsyncIterator[House]:
    """A second process of the same installation."""
    second = await wiring.open_house(house.settings)
    second.clock = clock
    yield second
    await second.database.close()


@pytest.fixture
async def other_client(other: House) -> AsyncIterator[httpx.AsyncClient]:
    doors = await wiring.build_app(other)
    async with doors.live:
        transport = httpx.ASGITransport(app=doors.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as one:
            yield one


async def _sealed(house: House, tenant_id: UUID, word: bytes) -> bytes:
    async with house.database.tenant(tenant_id) as conn:
        return await seal(Scope(conn, tenant_id, SYSTEM, house.clock, house), word, place=PLACE)


async def _caller(house: House, tenant_id: UUID) -> Scope:
    async with house.database.tenant(tenant_id) as conn:
        return Scope(conn, tenant_id, SYSTEM, house.clock, house)


async def test_sec_crypto_residency_gdpr_03_a_second_process_goes_on_after_a_rotation(
    house: House, other: House, acme: Organisation, clock: FakeClock
) -> None:
    before = await _sealed(other, acme.id, b"before")
    await data_keys.rotate_of(house, await _caller(house, acme.id))
    assert await unseal_for(other, acme.id, before, place=PLACE) == b"before"
    after = await _sealed(other, acme.id, b"after")
    assert after[:5] != before[:5]
    assert await unseal_for(house, acme.id, after, place=PLACE) == b"after"
    await data_keys.reseal(Work(house, acme.id, 0))
    clock.advance(hours=25)
    await data_keys.destroy_unused(Work(house, acme.id, 0))
    assert await unseal_for(other, acme.id, after, place=PLACE) == b"after"
    with pytest.raises(Undecipherable):
        await unseal_for(other, acme.id, before, place=PLACE)


async def test_sec_crypto_residency_gdpr_02_keys_destroyed_by_one_process_open_nothing_in_another(
    house: House, other: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    sealed = await _sealed(house, acme.id, b"secret")
    assert await unseal_for(other, acme.id, sealed, place=PLACE) == b"secret"
    backup = await admin.fetchrow(
        "SELECT wrapped, wrapped_by FROM data_keys WHERE tenant_id = $1", acme.id
    )
    await data_keys.destroy_all(
        Scope(
            (transaction := await house.database.begin_tenant(acme.id)).conn,
            acme.id, SYSTEM, house.clock, house,
        )
    )  # fmt: skip
    await transaction.commit()
    for restored in (False, True):
        if restored:
            await admin.execute(
                "UPDATE data_keys SET wrapped = $2, destroyed_at = NULL WHERE tenant_id = $1",
                acme.id,
                backup["wrapped"],
            )
        for process in (house, other):
            with pytest.raises(Undecipherable):
                await unseal_for(process, acme.id, sealed, place=PLACE)


async def test_tokens_of_each_process_hold_in_the_other_while_the_signing_key_changes(
    house: House,
    client: httpx.AsyncClient,
    other_client: httpx.AsyncClient,
    acme: Organisation,
) -> None:
    old = await acme.headers(other_client)
    await signing_keys.rotate(house)
    new = await acme.headers(client)
    for caller in (client, other_client):
        for headers in (old, new):
            answer = await caller.get("/v1/auth/me", headers=headers)
            assert answer.status_code == 200, answer.text
