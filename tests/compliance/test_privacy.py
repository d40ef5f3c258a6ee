"""What people may ask for: an export, an erasure with proof, consents, periods, the record."""

import hashlib
import json
import zipfile
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server import wiring
from leanvibe_server.audit.verification import verify_tenant
from leanvibe_server.compliance import exports, repository, retention
from leanvibe_server.compliance.archive import ABROAD
from leanvibe_server.compliance.processing import recipients_of
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.crypto import Undecipherable
from leanvibe_server.kernel.jobs import MAX_ATTEMPTS, Work
from leanvibe_server.kernel.personal_data import Subject
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.tenancy.keys import service as keys
from tests.compliance.given_exports import export_by_link, write
from tests.conftest import FakeClock
from tests.given import Organisation

Json = dict[str, Any]


async def _columns(admin: asyncpg.Connection) -> dict[str, dict[str, str]]:
    rows = await admin.fetch(
        "SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c"
        " JOIN information_schema.tables t USING (table_schema, table_name)"
        " WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'"
    )
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row["table_name"], {})[row["column_name"]] = row["data_type"]
    return {
        name: columns
        for name, columns in found.items()
        if (name == "tenants" or "tenant_id" in columns) and name not in ABROAD
    }


async def test_every_table_of_the_schema_is_in_some_rooms_list(admin: asyncpg.Connection) -> None:
    """A new table: say in its room's privacy.py what it keeps of people, and who may erase it."""
    names = [table.table for table in wiring.DATA_MAP.tables]
    assert sorted(names) == sorted(await _columns(admin))
    assert len(set(names)) == len(names)


async def test_no_secret_of_the_schema_can_leave_by_an_export(admin: asyncpg.Connection) -> None:
    columns = await _columns(admin)
    for table in wiring.DATA_MAP.tables:
        assert table.withheld <= set(columns[table.table]), table.table
        if not table.exported:
            continue
        secret = {
            name
            for name, kind in columns[table.table].items()
            if kind == "bytea" or name.endswith(("_hash", "_sealed"))
        }
        assert secret <= table.withheld, f"{table.table}: withhold {secret - table.withheld}"


async def test_every_reference_to_a_person_is_erased_or_kept_for_a_reason(
    admin: asyncpg.Connection,
) -> None:
    for table, columns in (await _columns(admin)).items():
        named = wiring.DATA_MAP.find(table)
        assert named is not None
        if {"user_id", "email", "created_by"} & set(columns):
            assert named.person is not None, f"{table} tells of people"
        if named.person is not None:
            assert named.erasure == "delete" or named.kept_because, table


async def test_the_app_login_may_delete_what_an_erasure_deletes(
    admin: asyncpg.Connection,
) -> None:
    for table in wiring.DATA_MAP.tables:
        may = "SELECT has_table_privilege($1, $2, 'DELETE')"
        if table.erasure == "delete":
            assert await admin.fetchval(may, "leanvibe_app", table.table), table.table
        if table.retention is not None:
            assert await admin.fetchval(may, "leanvibe_platform", table.table), table.table


async def test_every_condition_and_period_runs_on_the_schema(acme: Organisation) -> None:
    subject = Subject(acme.people["viewer"].id, acme.people["viewer"].email)
    async with acme.house.database.tenant(acme.id) as conn:
        for table in wiring.DATA_MAP.tables:
            await repository.count_of_person(conn, table, acme.id, subject)
            await repository.count_mentions(conn, table, acme.id, subject.email)
    await retention.sweep(acme.house)


async def test_a_tenants_export_holds_every_table_with_its_count_and_hash_and_no_other_tenant(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation, admin: asyncpg.Connection
) -> None:
    await globex.headers(client)
    headers = await acme.headers(client)
    await client.post("/v1/projects", json={"name": "one"}, headers=headers)
    _, archive = await export_by_link(client, acme, headers)
    manifest = json.loads(archive.read("manifest.json"))
    assert manifest["schema_version"] == await admin.fetchval(
        "SELECT version_num FROM alembic_version"
    )
    by_table = {entry["table"]: entry for entry in manifest["tables"]}
    assert set(by_table) | set(manifest["left_out"]) == set(await _columns(admin))
    for entry in manifest["tables"]:
        body = archive.read(entry["file"])
        assert hashlib.sha256(body).hexdigest() == entry["sha256"]
        lines = [json.loads(line) for line in body.splitlines()]
        assert len(lines) == entry["rows"]
        assert all(set(line) == set(entry["columns"]) for line in lines)
        assert all(line.get("tenant_id", line.get("id")) == str(acme.id) for line in lines)
    assert by_table["users"]["rows"] == len(acme.people)
    assert by_table["projects"]["rows"] == 1
    whole = b"".join(archive.read(name) for name in archive.namelist())
    assert globex.people["owner"].email.encode() not in whole
    assert b"$argon2" not in whole


async def test_a_persons_export_holds_their_data_and_nobody_elses(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    await acme.headers(client, "viewer")
    await acme.headers(client, "developer")
    headers = await acme.headers(client)
    viewer = acme.people["viewer"]
    _, archive = await export_by_link(client, acme, headers, user_id=str(viewer.id))
    users = [json.loads(line) for line in archive.read("users.jsonl").splitlines()]
    assert [user["email"] for user in users] == [viewer.email]
    assert len(archive.read("sessions.jsonl").splitlines()) == 1
    assert viewer.email in archive.read("event_personal.jsonl").decode()
    whole = b"".join(archive.read(name) for name in archive.namelist()).decode()
    for role, person in acme.people.items():
        assert role == "viewer" or person.email not in whole


async def test_sec_crypto_residency_gdpr_06_nobody_exports_or_fetches_someone_else(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation, clock: FakeClock
) -> None:
    headers = await acme.headers(client)
    viewer, developer = [await acme.headers(client, role) for role in ("viewer", "developer")]
    mine = await client.post("/v1/auth/me/export", headers=viewer)
    assert mine.status_code == 201
    assert mine.json()["user_id"] == str(acme.people["viewer"].id)
    path = f"/v1/privacy/exports/{mine.json()['id']}"
    assert (await client.get(path, headers=viewer)).status_code == 200
    assert (await client.get(path, headers=developer)).status_code == 404
    assert (await client.get(path, headers=await globex.headers(client))).status_code == 404
    assert (await client.get("/v1/privacy/exports", headers=developer)).json()["data"] == []
    wanted = {"user_id": str(acme.people["viewer"].id)}
    refused = await client.post("/v1/privacy/exports", json=wanted, headers=developer)
    assert refused.status_code == 403
    foreign = {"user_id": str(globex.people["owner"].id)}
    assert (
        await client.post("/v1/privacy/exports", json=foreign, headers=headers)
    ).status_code == 404
    await write(acme.house, acme, mine.json()["id"])
    url = (await client.get(path, headers=viewer)).json()["download_url"]
    assert (await client.get(url)).status_code == 200
    for before, after in (
        (str(acme.people["viewer"].id), str(acme.people["developer"].id)),
        (str(acme.id), str(globex.id)),
        ("until=", "until=9"),
        ("signature=", "signature=x"),
        (mine.json()["id"], str(uuid4())),
    ):
        assert (await client.get(url.replace(before, after))).status_code == 404
    change = {"status": "disabled"}
    user_path = f"/v1/users/{acme.people['viewer'].id}"
    disabled = await client.patch(user_path, json=change, headers=headers)
    assert disabled.status_code == 200, disabled.text
    assert (await client.get(url)).status_code == 404
    await client.patch(user_path, json={"status": "active"}, headers=headers)
    assert (await client.get(url)).status_code == 200
    log = await client.get("/v1/admin/audit?event_type=privacy.export_downloaded", headers=headers)
    assert log.json()["data"][0]["actor"]["label"] == acme.people["viewer"].email
    clock.advance(minutes=16)
    assert (await client.get(url)).status_code == 404


@pytest.mark.parametrize("loss", ["role", "address"])
async def test_sec_crypto_residency_gdpr_07_a_link_leads_nowhere_once_its_holder_may_no_more(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection, loss: str
) -> None:
    owner = await acme.headers(client)
    ready, _ = await export_by_link(client, acme, await acme.headers(client, "admin"))
    path = f"/v1/privacy/exports/{ready['id']}"
    fresh = (await client.get(path, headers=await acme.headers(client, "admin"))).json()
    if loss == "role":
        person = f"/v1/users/{acme.people['admin'].id}"
        change = await client.patch(person, json={"role": "developer"}, headers=owner)
        assert change.status_code == 200, change.text
    else:
        bounds = '{"allowed_networks": ["203.0.113.0/24"]}'
        await admin.execute("UPDATE tenants SET security = $2 WHERE id = $1", acme.id, bounds)
    answer = await client.get(fresh["download_url"])
    assert answer.status_code == (404 if loss == "role" else 403)


async def test_an_export_ends_and_its_file_is_removed(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    ready, _ = await export_by_link(client, acme, await acme.headers(client))
    clock.advance(days=8)
    await exports.sweep(acme.house)
    headers = await acme.headers(client)
    gone = (await client.get(f"/v1/privacy/exports/{ready['id']}", headers=headers)).json()
    assert (gone["status"], gone["download_url"]) == ("expired", None)
    folder = acme.house.settings.home / "exports" / str(acme.id)
    assert list(folder.iterdir()) == []


async def test_sec_crypto_residency_gdpr_06_an_export_on_the_disk_holds_no_plain_text(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client)
    ready, archive = await export_by_link(client, acme, headers)
    assert acme.people["viewer"].email.encode() in archive.read("users.jsonl")
    folder = acme.house.settings.home / "exports" / str(acme.id)
    (path,) = folder.iterdir()
    kept = path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    assert not zipfile.is_zipfile(path)
    for plain in (b"PK\x03\x04", b"users.jsonl", b"manifest", acme.id.hex.encode()):
        assert plain not in kept
    await keys.rotate_of(acme.house, await _caller(acme))
    await keys.reseal(Work(acme.house, acme.id, 0))
    again = (await client.get(f"/v1/privacy/exports/{ready['id']}", headers=headers)).json()
    answer = await client.get(again["download_url"])
    assert hashlib.sha256(answer.content).hexdigest() == ready["sha256"]
    await admin.execute("UPDATE privacy_exports SET expires_at = $1", acme.house.clock.now())
    (folder / f"{ready['id']}.99.draft").write_bytes(b"left by a worker that died")
    await exports.sweep(acme.house)
    assert list(folder.iterdir()) == []
    sealed = "SELECT file_key_sealed FROM privacy_exports WHERE id = $1"
    assert await admin.fetchval(sealed, UUID(ready["id"])) is None


async def test_an_export_that_cannot_be_written_stands_in_nobodys_way(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    async with acme.house.database.tenant(acme.id) as conn:
        await keys.destroy_all(Scope(conn, acme.id, SYSTEM, acme.house.clock, acme.house))
    asked = [await client.post("/v1/privacy/exports", json={}, headers=headers) for _ in range(6)]
    assert [answer.status_code for answer in asked] == [201] * 5 + [409]
    export_id = asked[0].json()["id"]
    for attempt, status in ((0, "queued"), (MAX_ATTEMPTS - 1, "failed")):
        with pytest.raises(Undecipherable):
            await exports.write_export(Work(acme.house, acme.id, attempt), export_id=export_id)
        shown = await client.get(f"/v1/privacy/exports/{export_id}", headers=headers)
        assert shown.json()["status"] == status
    again = await client.post("/v1/privacy/exports", json={}, headers=headers)
    assert again.status_code == 201
    assert list((acme.house.settings.home / "exports" / str(acme.id)).iterdir()) == []


async def _caller(org: Organisation) -> Scope:
    async with org.house.database.tenant(org.id) as conn:
        return Scope(conn, org.id, SYSTEM, org.house.clock, org.house)


async def test_consents_are_added_and_the_last_one_counts(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    viewer = await acme.headers(client, "viewer")
    for given in (True, False):
        body = {"purpose": "product news", "version": "2026-03", "given": given}
        answer = await client.post("/v1/privacy/consents", json=body, headers=viewer)
        assert answer.status_code == 201
    blank = {"purpose": " \t ", "version": "2026-03"}
    refused = await client.post("/v1/privacy/consents", json=blank, headers=viewer)
    assert refused.status_code == 400
    own = (await client.get("/v1/privacy/consents", headers=viewer)).json()["data"]
    assert [consent["given"] for consent in own] == [False, True]
    other = {"user_id": str(acme.people["viewer"].id)}
    developer = await acme.headers(client, "developer")
    refused = await client.get("/v1/privacy/consents", params=other, headers=developer)
    assert refused.status_code == 403
    seen = await client.get(
        "/v1/privacy/consents", params=other, headers=await acme.headers(client)
    )
    assert len(seen.json()["data"]) == 2


async def test_a_period_holds_within_its_bounds_and_the_sweep_keeps_to_it(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation, clock: FakeClock,
    admin: asyncpg.Connection,
) -> None:  # fmt: skip
    headers = await acme.headers(client)
    await globex.headers(client)
    for days in ({"event_personal": 5}, {"users": 30}, {"sessions": True}):
        answer = await client.patch("/v1/privacy/retention", json={"days": days}, headers=headers)
        assert answer.status_code == 400, answer.text
    answer = await client.patch(
        "/v1/privacy/retention", json={"days": {"event_personal": 90}}, headers=headers
    )
    assert answer.status_code == 200, answer.text
    shown = {row["table"]: row["days"] for row in answer.json()["data"]}
    assert shown["event_personal"] == 90
    clock.advance(days=100)
    await retention.sweep(acme.house)
    count = "SELECT count(*) FROM event_personal WHERE tenant_id = $1"
    assert await admin.fetchval(count, acme.id) == 0
    assert await admin.fetchval(count, globex.id) > 0
    assert (await verify_tenant(acme.house, acme.id)).fault is None


async def test_the_record_of_processing_says_what_is_kept_why_and_for_how_long(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    answer = await client.get("/v1/privacy/processing", headers=await acme.headers(client, "admin"))
    assert answer.status_code == 200, answer.text
    record = answer.json()
    assert record["region"] == "us"
    assert {"Accounts of people", "Sending mail to people"} <= {
        activity["purpose"] for activity in record["activities"]
    }
    for activity in record["activities"]:
        assert activity["legal_bases"]
        assert activity["retention"]
    developer = await acme.headers(client, "developer")
    assert (await client.get("/v1/privacy/processing", headers=developer)).status_code == 403


def test_the_record_names_who_carries_text_messages_and_keeps_keys() -> None:
    plain = SimpleNamespace(sends_sms="console", key_provider="local")
    assert len(recipients_of(cast(Settings, plain))) == 1
    with_others = SimpleNamespace(sends_sms="twilio", key_provider="vault")
    named = " ".join(recipients_of(cast(Settings, with_others)))
    assert "Twilio" in named
    assert "Vault" in named
