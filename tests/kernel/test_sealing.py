"""Fields are sealed under a key of their tenant, and open in their own place only."""

import asyncio
from uuid import UUID

import asyncpg
import pytest

from leanvibe_server.kernel.crypto import Undecipherable
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.key_shares import KeyShares
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.kernel.sealing import prefix_of, seal, unseal, unseal_for
from tests.conftest import FakeClock
from tests.given import Organisation

PLACE = ("projects", "credentials", UUID(int=3))


async def _seal(org: Organisation, plain: bytes = b"token") -> bytes:
    async with org.house.database.tenant(org.id) as conn:
        return await seal(_scope(org, conn), plain, place=PLACE)


def _scope(org: Organisation, conn: asyncpg.Connection) -> Scope:
    return Scope(conn, org.id, SYSTEM, org.house.clock, org.house)


async def test_a_value_opens_again_and_says_which_version_sealed_it(acme: Organisation) -> None:
    sealed = await _seal(acme)
    assert sealed.startswith(prefix_of(1))
    assert b"token" not in sealed
    assert await unseal_for(acme.house, acme.id, sealed, place=PLACE) == b"token"


async def test_sec_crypto_residency_gdpr_01_a_value_copied_elsewhere_does_not_open(
    acme: Organisation, globex: Organisation
) -> None:
    sealed = await _seal(acme)
    await _seal(globex)
    places = [
        ("sso_providers", "credentials", PLACE[2]),
        ("projects", "client_secret_sealed", PLACE[2]),
        ("projects", "credentials", UUID(int=4)),
    ]
    for place in places:
        with pytest.raises(Undecipherable):
            await unseal_for(acme.house, acme.id, sealed, place=place)
    with pytest.raises(Undecipherable):
        await unseal_for(acme.house, globex.id, sealed, place=PLACE)


@pytest.mark.parametrize("at", [0, 1, 4, 5, 16, 17, -1])
async def test_a_damaged_value_does_not_open(acme: Organisation, at: int) -> None:
    sealed = bytearray(await _seal(acme))
    sealed[at] ^= 1
    with pytest.raises(Undecipherable):
        await unseal_for(acme.house, acme.id, bytes(sealed), place=PLACE)


async def test_a_value_of_the_first_format_is_still_read(acme: Organisation) -> None:
    old = acme.house.vault.seal(b"token", tenant_id=acme.id, place=PLACE)
    assert await unseal_for(acme.house, acme.id, old, place=PLACE) == b"token"


async def test_a_column_that_no_rotation_would_find_is_refused(acme: Organisation) -> None:
    async with acme.house.database.tenant(acme.id) as conn:
        with pytest.raises(LookupError, match="SEALED_COLUMNS"):
            await seal(_scope(acme, conn), b"x", place=("projects", "name", UUID(int=1)))


async def test_of_several_who_make_the_first_key_at_once_one_does(
    acme: Organisation, admin: asyncpg.Connection
) -> None:
    sealed = await asyncio.gather(*(_seal(acme) for _ in range(4)))
    for value in sealed:
        assert await unseal_for(acme.house, acme.id, value, place=PLACE) == b"token"
    count = "SELECT count(*) FROM data_keys WHERE tenant_id = $1"
    assert await admin.fetchval(count, acme.id) == 1


async def test_a_key_whose_transaction_failed_seals_nothing_later(acme: Organisation) -> None:
    transaction = await acme.house.database.begin_tenant(acme.id)
    scope = _scope(acme, transaction.conn)
    first = await seal(scope, b"lost", place=PLACE)
    assert await unseal(scope, first, place=PLACE) == b"lost"
    await transaction.rollback()
    kept = await _seal(acme)
    assert await unseal_for(acme.house, acme.id, kept, place=PLACE) == b"token"
    with pytest.raises(Undecipherable):
        await unseal_for(acme.house, acme.id, first, place=PLACE)


async def test_a_withdrawn_master_key_is_noticed_when_the_cache_expires(
    acme: Organisation, house: House, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = await _seal(acme)
    calls = []
    unwrap = house.data_keys.master.unwrap

    async def counted(*given: object) -> bytes:
        calls.append(given)
        return await unwrap(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(house.data_keys.master, "unwrap", counted)
    for _ in range(3):
        await unseal_for(house, acme.id, sealed, place=PLACE)
    before = len(calls)
    clock.advance(seconds=house.settings.key_cache_s + 1)
    await unseal_for(house, acme.id, sealed, place=PLACE)
    assert (before, len(calls)) == (0, 1)


async def test_a_share_is_made_once_and_nobody_else_reads_it(acme: Organisation) -> None:
    shares = KeyShares(acme.house.settings.home / "keys")
    first = await asyncio.gather(*(asyncio.to_thread(shares.obtain, acme.id) for _ in range(8)))
    assert len(set(first)) == 1
    assert (shares.folder / f"{acme.id}.share").stat().st_mode & 0o777 == 0o600
    shares.destroy(acme.id)
    with pytest.raises(Undecipherable):
        shares.obtain(acme.id)
    assert not [path for path in shares.folder.iterdir() if path.suffix != ".share"]


async def test_every_column_that_is_named_sealed_is_one_a_rotation_goes_through(
    house: House, admin: asyncpg.Connection
) -> None:
    rows = await admin.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name LIKE '%\\_sealed' AND data_type = 'bytea'"
    )
    found = {(row["table_name"], row["column_name"]) for row in rows}
    ours = {(one.table, one.column) for one in house.sealed_columns.values()}
    # Of the platform, under the installation's own key.
    assert found - {("signing_keys", "private_key_sealed")} == ours
