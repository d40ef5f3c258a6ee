"""The chain over a tenant's log tells who tampered with it, and where first."""

import asyncio
import csv
import io
import json
from itertools import product
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from leanvibe_server.audit import chain, repository
from leanvibe_server.audit.verification import verify_tenant
from leanvibe_server.kernel.db import login_dsn
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.ids import new_id
from leanvibe_server.kernel.regions import PLATFORM_TENANT
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.tenancy.events import TenantUpdated
from tests.conftest import Ground
from tests.given import Organisation, platform_headers

WHY = "ticket 4711: sign-ins fail"


async def _write(org: Organisation, count: int = 5) -> list[UUID]:
    written = []
    for number in range(count):
        async with org.house.database.tenant(org.id) as conn:
            scope = Scope(conn, org.id, SYSTEM, org.house.clock, org.house)
            event = TenantUpdated(tenant_id=org.id, changed=[f"field-{number}"])
            written.append(await scope.emit(event))
    await chain.seal_tenant(org.house, org.id)
    return written


async def _fault(org: Organisation) -> tuple[str, UUID | None] | None:
    verdict = await verify_tenant(org.house, org.id)
    return None if verdict.fault is None else (verdict.fault.kind, verdict.fault.event_id)


async def test_a_log_nobody_touched_holds(acme: Organisation) -> None:
    await _write(acme)
    verdict = await verify_tenant(acme.house, acme.id)
    assert (verdict.fault, verdict.valid) == (None, True)
    assert verdict.entries > 5
    again = await verify_tenant(acme.house, acme.id)
    assert (again.head, again.entries) == (verdict.head, verdict.entries)


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("UPDATE events SET payload = '{}' WHERE tenant_id = $1 AND id = $2", "changed"),
        ("UPDATE events SET name = 'user.login' WHERE tenant_id = $1 AND id = $2", "changed"),
        (
            "UPDATE events SET occurred_at = occurred_at - interval '1 s'"
            " WHERE tenant_id = $1 AND id = $2",
            "changed",
        ),
        ("DELETE FROM events WHERE tenant_id = $1 AND id = $2", "removed"),
        ("DELETE FROM sealed_events WHERE tenant_id = $1 AND event_id = $2", "removed"),
        (
            "UPDATE sealed_events SET row_hash = '\\x00' WHERE tenant_id = $1 AND event_id = $2",
            "changed",
        ),
    ],
)
async def test_sec_audit_02_what_was_changed_or_removed_is_found_and_the_first_is_named(
    acme: Organisation, admin: asyncpg.Connection, tampering: str, found: str
) -> None:
    written = await _write(acme)
    await admin.execute(tampering, acme.id, written[3])
    await admin.execute(tampering, acme.id, written[2])
    kind, event_id = await _fault(acme) or ("", None)
    assert kind == found
    assert event_id == written[2] or "sealed_events" in tampering


async def test_sec_audit_02_an_entry_that_is_changed_with_its_hash_is_found_too(
    acme: Organisation, admin: asyncpg.Connection
) -> None:
    written = await _write(acme)
    await admin.execute("UPDATE events SET payload = '{}' WHERE id = $1", written[2])
    await admin.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    row = await admin.fetchrow("SELECT * FROM events WHERE id = $1", written[2])
    await admin.execute(
        "UPDATE sealed_events SET row_hash = $2 WHERE event_id = $1",
        written[2],
        chain.hash_row(row),
    )
    assert (await _fault(acme) or ("", None))[1] == written[2]


async def test_sec_audit_02_entries_that_changed_places_are_found(
    acme: Organisation, admin: asyncpg.Connection
) -> None:
    first, second = (await _write(acme))[1:3]
    places = {
        row["event_id"]: row["position"]
        for row in await admin.fetch(
            "SELECT event_id, position FROM sealed_events WHERE event_id = ANY($1)", [first, second]
        )
    }
    move = "UPDATE sealed_events SET position = $2 WHERE event_id = $1"
    await admin.execute(move, first, 10_000)
    await admin.execute(move, second, places[first])
    await admin.execute(move, first, places[second])
    assert await _fault(acme) == ("reordered", second)


async def test_sec_audit_02_an_entry_that_was_slipped_in_is_found(
    acme: Organisation, admin: asyncpg.Connection
) -> None:
    written = await _write(acme)
    forged = new_id(acme.house.clock.now())
    await admin.execute(
        "INSERT INTO events SELECT (jsonb_populate_record(e, jsonb_build_object('id', $2::uuid))).*"
        " FROM events e WHERE id = $1",
        written[0],
        forged,
    )
    assert await _fault(acme) == ("inserted", forged)


async def test_sec_audit_02_an_end_that_was_cut_off_is_found(
    acme: Organisation, admin: asyncpg.Connection
) -> None:
    before = await verify_tenant(acme.house, acme.id)
    await _write(acme)
    last = before.entries
    for table, column in (("audit_seals", "last_position"), ("sealed_events", "position")):
        await admin.execute(
            f"DELETE FROM {table} WHERE tenant_id = $1 AND {column} > $2", acme.id, last
        )
    await admin.execute(
        "DELETE FROM events WHERE tenant_id = $1 AND name = 'tenant.updated'", acme.id
    )
    verdict = await verify_tenant(acme.house, acme.id)
    assert verdict.fault is not None
    assert (verdict.fault.kind, verdict.fault.position) == ("removed", last + 1)
    await chain.forget_head(acme.house, acme.id)
    assert await _fault(acme) is None


async def test_sec_audit_02_a_seal_that_is_gone_or_forged_is_found(
    acme: Organisation, admin: asyncpg.Connection
) -> None:
    await _write(acme, 2)
    await _write(acme, 2)
    await admin.execute(
        "UPDATE audit_seals SET hash = sha256('x') WHERE tenant_id = $1 AND seq = 1", acme.id
    )
    assert (await _fault(acme) or ("",))[0] == "seal_broken"


async def test_what_it_told_of_a_person_is_neither_changed_nor_removed_unnoticed(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    await acme.headers(client)
    assert await _fault(acme) is None
    owner = acme.people["owner"].id
    where = "WHERE tenant_id = $1 AND person_id = $2"
    await admin.execute(
        f"UPDATE event_personal SET body = replace(body, '127.0.0.1', '10.0.0.1') {where}",
        acme.id,
        owner,
    )
    assert (await _fault(acme) or ("",))[0] == "person_changed"
    await admin.execute(f"DELETE FROM event_personal {where}", acme.id, owner)
    assert (await _fault(acme) or ("",))[0] == "person_removed"


async def test_an_entry_whose_transaction_ends_late_is_sealed_then_and_holds_up_nobody(
    acme: Organisation,
) -> None:
    house = acme.house
    slow = await house.database.begin_tenant(acme.id)
    scope = Scope(slow.conn, acme.id, SYSTEM, house.clock, house)
    late = await scope.emit(TenantUpdated(tenant_id=acme.id, changed=["late"]))
    others = await _write(acme)
    assert late < others[0]
    await slow.commit()
    assert await chain.seal_tenant(house, acme.id) == 1
    assert await _fault(acme) is None


async def test_who_writes_never_waits_for_who_seals(acme: Organisation) -> None:
    sealing = await acme.house.database.begin_tenant(acme.id)
    await repository.take_turn(sealing.conn, acme.id)
    await repository.take_unsealed(sealing.conn, acme.id, 100)
    async with asyncio.timeout(5), acme.house.database.tenant(acme.id) as other:
        scope = Scope(other, acme.id, SYSTEM, acme.house.clock, acme.house)
        await scope.emit(TenantUpdated(tenant_id=acme.id, changed=["at once"]))
    await sealing.rollback()
    assert await _fault(acme) is None


async def test_several_who_seal_at_once_make_one_chain(acme: Organisation) -> None:
    await asyncio.gather(*(_write(acme, 3) for _ in range(3)))
    assert await _fault(acme) is None


async def test_who_verifies_while_others_write_and_seal_hears_no_false_alarm(
    acme: Organisation,
) -> None:
    async def verify() -> list[str]:
        verdicts = [await verify_tenant(acme.house, acme.id) for _ in range(4)]
        return [verdict.fault.message for verdict in verdicts if verdict.fault]

    async def write() -> list[str]:
        for _ in range(4):
            await _write(acme, 2)
        return []

    said = await asyncio.gather(verify(), write(), verify(), write())
    assert not any(said)


async def test_an_entry_that_is_sealed_while_the_log_is_checked_is_left_for_the_next_time(
    acme: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _write(acme)
    read = repository.list_seals

    async def read_and_go_on(conn: asyncpg.Connection, tenant_id: UUID) -> Any:
        found = await read(conn, tenant_id)
        await _write(acme)
        return found

    monkeypatch.setattr(repository, "list_seals", read_and_go_on)
    assert await _fault(acme) is None


async def test_sec_audit_02_a_sealer_that_is_killed_leaves_the_chain_whole(
    acme: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _write(acme)

    async def killed(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr(chain, "note_head", killed)
        with pytest.raises(SystemExit):
            await _write(acme)
    with monkeypatch.context() as dying:
        dying.setattr(repository, "add_seal", killed)
        with pytest.raises(SystemExit):
            await _write(acme)
    assert await _fault(acme) is None


async def test_sec_audit_02_the_seal_over_the_end_that_is_gone_is_found(
    acme: Organisation, admin: asyncpg.Connection
) -> None:
    await _write(acme)
    await chain.forget_head(acme.house, acme.id)
    await admin.execute(
        "DELETE FROM audit_seals WHERE tenant_id = $1 AND seq = (SELECT max(seq) FROM audit_seals"
        " WHERE tenant_id = $1)",
        acme.id,
    )
    assert (await _fault(acme) or ("",))[0] == "seal_broken"


@pytest.mark.parametrize("excuse", ["erasure", "age"])
async def test_sec_audit_02_an_excuse_that_was_slipped_in_excuses_nothing(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection, excuse: str
) -> None:
    await acme.headers(client)
    owner = acme.people["owner"].id
    if excuse == "erasure":
        await admin.execute(
            "INSERT INTO erasures VALUES ($1, $2, $2, $2, now(), $3, 'ab12')",
            acme.id,
            owner,
            json.dumps({"subject": str(owner), "tenant_id": str(acme.id)}),
        )
    else:
        await admin.execute(
            "INSERT INTO retention_marks VALUES ($1, 'event_personal', now() + interval '9 years')",
            acme.id,
        )
    await admin.execute(
        "DELETE FROM event_personal WHERE tenant_id = $1 AND person_id = $2", acme.id, owner
    )
    assert (await _fault(acme) or ("",))[0] == "person_removed"


async def test_sec_audit_02_a_log_of_which_nothing_is_left_is_missed(
    acme: Organisation, admin: asyncpg.Connection
) -> None:
    await _write(acme)
    for table in ("events", "event_personal", "sealed_events", "audit_seals", "unsealed_events"):
        await admin.execute(f"DELETE FROM {table} WHERE tenant_id = $1", acme.id)
    assert acme.id in await chain.list_logs(acme.house)
    assert (await _fault(acme) or ("",))[0] == "removed"
    await admin.execute("DELETE FROM tenants WHERE id = $1", acme.id)
    assert acme.id in await chain.list_logs(acme.house)


@pytest.mark.parametrize("login", ["app", "platform", "worker"])
@pytest.mark.parametrize(
    "table", ["events", "sealed_events", "audit_seals", "erasures", "consents"]
)
async def test_no_login_of_the_product_rewrites_history(
    ground: Ground, acme: Organisation, login: Any, table: str
) -> None:
    connection = await asyncpg.connect(login_dsn(ground.admin_dsn, login, ground.vault))
    try:
        await connection.execute(f"SET app.tenant_id = '{acme.id}'")
        for statement in (
            f"UPDATE {table} SET tenant_id = tenant_id",
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def _verdict(
    client: httpx.AsyncClient, headers: dict[str, str], **params: str
) -> dict[str, Any]:
    answer = await client.get("/v1/admin/audit/verify", headers=headers, params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_an_admin_verifies_the_own_log_and_no_other(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client, "admin")
    assert (await _verdict(client, headers))["valid"] is True
    foreign = await client.get(
        "/v1/admin/audit/verify", headers=headers, params={"tenant_id": str(globex.id)}
    )
    assert foreign.status_code == 404
    developer = await acme.headers(client, "developer")
    assert (await client.get("/v1/admin/audit/verify", headers=developer)).status_code == 403
    await admin.execute(
        "UPDATE events SET payload = '{}' WHERE tenant_id = $1 AND name = 'user.login'", acme.id
    )
    found = await _verdict(client, headers)
    assert (found["valid"], found["fault"]["kind"]) == (False, "changed")


async def test_sec_audit_04_what_a_platform_admin_reads_is_written_to_both_logs(
    client: httpx.AsyncClient, house: House, acme: Organisation
) -> None:
    platform = await platform_headers(house, client) | {"X-Break-Glass-Reason": WHY}
    named = {"tenant_id": str(acme.id)}
    for path in ("/v1/admin/audit", "/v1/admin/audit/verify", "/v1/admin/audit/auth?format=csv"):
        answer = await client.get(path, headers=platform, params=named if "?" not in path else None)
        assert answer.status_code == 200
    own = await client.get("/v1/admin/audit", headers=await acme.headers(client))
    names = [entry["event_type"] for entry in own.json()["data"]]
    assert {"audit.read", "audit.verified"} <= set(names)
    told = [entry["details"] for entry in own.json()["data"] if entry["event_type"] == "audit.read"]
    assert told[0]["reason"] == WHY
    nobody = await client.get(
        "/v1/admin/audit", headers=platform, params={"tenant_id": str(UUID(int=9))}
    )
    assert nobody.status_code == 404


@pytest.mark.parametrize("why", [None, "", "short", "          "])
async def test_sec_audit_04_a_platform_admin_reads_a_tenants_log_for_a_stated_reason_only(
    client: httpx.AsyncClient, house: House, acme: Organisation, why: str | None
) -> None:
    platform = await platform_headers(house, client)
    platform |= {} if why is None else {"X-Break-Glass-Reason": why}
    for path in ("audit", "audit/auth", "audit/billing", "audit/verify", "audit?format=csv"):
        named = f"{'&' if '?' in path else '?'}tenant_id={acme.id}"
        answer = await client.get(f"/v1/admin/{path}{named}", headers=platform)
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden"), path
        assert "X-Break-Glass-Reason" in answer.json()["message"]


async def test_sec_audit_04_without_a_reason_the_platforms_own_log_is_all_there_is(
    client: httpx.AsyncClient, house: House, acme: Organisation
) -> None:
    await acme.headers(client)
    platform = await platform_headers(house, client)
    for named in ("", f"?tenant_id={PLATFORM_TENANT}"):
        own = await client.get(f"/v1/admin/audit{named}", headers=platform)
        assert {entry["tenant_id"] for entry in own.json()["data"]} == {str(PLATFORM_TENANT)}
    saved = await client.get("/v1/admin/audit?format=csv", headers=platform)
    assert str(acme.id) not in saved.text


async def test_sec_audit_04_who_reads_across_tenants_is_told_of_in_the_log_of_each_tenant_shown(
    client: httpx.AsyncClient, house: House, acme: Organisation, globex: Organisation
) -> None:
    owners = [await org.headers(client) for org in (acme, globex)]
    platform = await platform_headers(house, client) | {"X-Break-Glass-Reason": WHY}
    for org, form in product((acme, globex), ("json", "csv")):
        params = {"user_id": str(org.people["owner"].id), "format": form}
        every = await client.get("/v1/admin/audit", headers=platform, params=params)
        assert str(org.id) in every.text
    for headers in owners:
        log = (await client.get("/v1/admin/audit", headers=headers)).json()["data"]
        told = {entry["event_type"]: entry["details"] for entry in log}
        assert told["audit.read"]["reason"] == told["audit.exported"]["reason"] == WHY
        assert told["audit.read"]["of_tenant_id"] is None


async def test_a_log_leaves_as_csv_that_no_spreadsheet_runs(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    hostile = '=cmd|"/c calc"!A1'
    person = acme.people["admin"]
    await client.post(
        "/v1/auth/login",
        json={"email": person.email, "password": person.password},
        headers={"User-Agent": hostile},
    )
    for kind in ({"params": {"format": "csv"}}, {"headers": {"Accept": "text/csv"}}):
        answer = await client.get(
            "/v1/admin/audit/auth",
            headers=headers | kind.get("headers", {}),
            params=kind.get("params"),
        )
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/csv")
        assert "attachment" in answer.headers["content-disposition"]
        assert "\r\n" in answer.text
        rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
        agent = next(row["user_agent"] for row in rows if row["actor_label"] == person.email)
        assert agent == f"'{hostile}"
        assert all(len(row) == 12 for row in rows)


async def test_the_billing_log_is_filtered_as_the_reference_prints_it(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    answer = await client.get(
        "/v1/admin/audit/billing",
        headers=headers,
        params={"tenant_id": str(acme.id), "event_type": "subscription_updated"},
    )
    assert (answer.status_code, answer.json()["data"]) == (200, [])
    logins = await client.get(
        "/v1/admin/audit/auth",
        headers=headers,
        params={"event_type": "login", "user_id": str(acme.people["owner"].id), "limit": "100"},
    )
    assert {entry["event_type"] for entry in logins.json()["data"]} == {"user.login"}
    other = await client.get(
        "/v1/admin/audit/auth", headers=headers, params={"user_id": str(UUID(int=1))}
    )
    assert other.json()["data"] == []
