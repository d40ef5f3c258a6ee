"""Whoever is erased is gone, and a certificate says so."""

import re
from datetime import datetime
from uuid import UUID

import asyncpg
import httpx
import pytest

from leanvibe_server.audit.verification import verify_tenant
from leanvibe_server.compliance import repeating
from leanvibe_server.identity import service as identity
from leanvibe_server.identity.account.events import EmailChanged, EmailChangeRequested
from leanvibe_server.kernel.access import Role
from leanvibe_server.kernel.event_privacy import PERSONAL
from leanvibe_server.kernel.events import Event
from leanvibe_server.kernel.jobs import Work
from leanvibe_server.kernel.mail import Mail, queue_mail
from leanvibe_server.kernel.scope import SYSTEM, Scope
from tests.compliance.given_exports import export_by_link
from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation


async def _scan(admin: asyncpg.Connection, canary: str) -> dict[str, int]:
    """In which tables a word stands, in whichever column and encoding."""
    found = {}
    for row in await admin.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        count = await admin.fetchval(
            f"SELECT count(*) FROM {row['tablename']} x"
            " WHERE position(lower($1) IN lower(x::text)) > 0"
            " OR position(encode(convert_to($1, 'UTF8'), 'hex') IN x::text) > 0",
            canary,
        )
        if count:
            found[row["tablename"]] = count
    return found


@pytest.fixture
async def canary(client: httpx.AsyncClient, acme: Organisation) -> tuple[UUID, str]:
    """A person who did all sorts of things, and whose name stands nowhere else."""
    email = f"canary-{acme.id.hex}@example.org"
    async with acme.house.database.tenant(acme.id) as conn:
        scope = Scope(conn, acme.id, SYSTEM, acme.house.clock, acme.house, plan="enterprise")
        user = await identity.create_user(
            scope, email=email, username=f"canary-{acme.id.hex}", password=PASSWORD,
            role=Role.DEVELOPER, verified=True,
        )  # fmt: skip
        await queue_mail(scope, Mail(email, "Hello", f"Dear {email}"))
    answer = await client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    for name in ("one", "two"):
        await client.post(
            "/v1/projects",
            json={"name": name},
            headers=headers | {"Idempotency-Key": f"{user.id}-{name}"},
        )
    await client.post(
        "/v1/privacy/consents", json={"purpose": "n", "version": "1"}, headers=headers
    )
    await client.post("/v1/auth/login", json={"email": email, "password": "wrong"})
    owner = await acme.headers(client)
    await client.patch(f"/v1/users/{user.id}", json={"role": "viewer"}, headers=owner)
    await client.get(f"/v1/users/{user.id}", headers=owner | {"Idempotency-Key": "read"})
    return user.id, email


async def test_sec_crypto_residency_gdpr_07_an_erased_person_is_gone_from_every_table(
    client: httpx.AsyncClient,
    acme: Organisation,
    canary: tuple[UUID, str],
    admin: asyncpg.Connection,
) -> None:
    user_id, email = canary
    headers = await acme.headers(client)
    ready, _ = await export_by_link(client, acme, headers)
    before = await _scan(admin, email)
    assert {"users", "event_personal", "outgoing_mail"} <= set(before)
    answer = await client.post(
        "/v1/privacy/erasures", json={"user_id": str(user_id)}, headers=headers
    )
    assert answer.status_code == 201, answer.text
    proof = answer.json()
    assert await _scan(admin, email) == {}
    assert await _scan(admin, f"canary-{acme.id.hex}") == {}
    erased = proof["certificate"]["rows_erased"]
    assert {"users", "sessions", "directory", "event_personal", "outgoing_mail"} <= set(erased)
    assert proof["certificate"]["mentions_left"] == {}
    assert {entry["table"] for entry in proof["certificate"]["kept"]} >= {"events", "consents"}
    signed_out = await client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    assert signed_out.status_code == 401
    gone = await client.get(f"/v1/privacy/exports/{ready['id']}", headers=headers)
    assert gone.json()["status"] == "expired"
    log = await client.get(
        "/v1/admin/audit", params={"user_id": str(user_id), "limit": 100}, headers=headers
    )
    labels = {entry["actor"]["label"] for entry in log.json()["data"] if entry["actor"]["id"]}
    assert f"erased person {user_id}" in labels
    assert email not in log.text
    verdict = await verify_tenant(acme.house, acme.id)
    assert verdict.fault is None


async def test_sec_crypto_residency_gdpr_07_addresses_one_had_or_asked_for_go_too(
    client: httpx.AsyncClient,
    acme: Organisation,
    canary: tuple[UUID, str],
    admin: asyncpg.Connection,
) -> None:
    user_id, email = canary
    owner = await acme.headers(client)
    viewer = acme.people["viewer"]
    earlier, asked_for = f"was-{email}", f"next-{email}"
    async with acme.house.database.tenant(acme.id) as conn:
        scope = Scope(conn, acme.id, SYSTEM, acme.house.clock, acme.house)
        moved = EmailChanged(user_id=user_id, old_email=earlier, new_email=email)
        await scope.emit(moved)
        await scope.emit(EmailChangeRequested(user_id=user_id, new_email=asked_for))
        # One address went to somebody else meanwhile: it is not theirs any more.
        await scope.emit(EmailChangeRequested(user_id=user_id, new_email=viewer.email))
        for address in (earlier, asked_for, viewer.email):
            await queue_mail(scope, Mail(address, "Hello", f"Dear {address}"))
    assert earlier not in str(await admin.fetch("SELECT payload FROM events WHERE name LIKE 'u%'"))
    answer = await client.post(
        "/v1/privacy/erasures", json={"user_id": str(user_id)}, headers=owner
    )
    assert answer.json()["certificate"]["mentions_left"] == {}
    assert await _scan(admin, f"canary-{acme.id.hex}") == {}
    kept = "SELECT count(*) FROM outgoing_mail WHERE tenant_id = $1 AND recipient = $2"
    assert await admin.fetchval(kept, acme.id, viewer.email) == 1


def test_every_field_of_an_event_that_names_a_person_is_kept_apart() -> None:
    telling = re.compile("mail|phone|address|agent|user_?name|person_name|display_name")

    def every(kind: type[Event]) -> list[type[Event]]:
        return [one for sub in kind.__subclasses__() for one in (sub, *every(sub))]

    for event in every(Event):
        named = [name for name in event.__struct_fields__ if telling.search(name)]
        assert set(named) <= PERSONAL, event


async def test_sec_crypto_residency_gdpr_08_who_is_in_two_tenants_is_erased_from_one(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation, admin: asyncpg.Connection
) -> None:
    email = f"twice-{acme.id.hex}@example.org"
    made = {}
    for org in (acme, globex):
        async with org.house.database.tenant(org.id) as conn:
            scope = Scope(conn, org.id, SYSTEM, org.house.clock, org.house, plan="enterprise")
            user = await identity.create_user(
                scope, email=email, username="twice", password=PASSWORD, role=Role.DEVELOPER,
                verified=True,
            )  # fmt: skip
            made[org.id] = user.id
        await client.post(
            "/v1/auth/login",
            json={"email": email, "password": PASSWORD, "tenant_id": str(org.id)},
        )
    counts = "SELECT count(*) FROM event_personal WHERE tenant_id = $1 AND person_id = $2"
    before = await admin.fetchval(counts, globex.id, made[globex.id])
    answer = await client.post(
        "/v1/privacy/erasures",
        json={"user_id": str(made[acme.id])},
        headers=await acme.headers(client),
    )
    assert answer.status_code == 201, answer.text
    assert await admin.fetchval(counts, acme.id, made[acme.id]) == 0
    assert await admin.fetchval(counts, globex.id, made[globex.id]) == before > 0
    login = await client.post(
        "/v1/auth/login", json={"email": email, "password": PASSWORD, "tenant_id": str(globex.id)}
    )
    assert login.status_code == 200, login.text
    foreign = await client.post(
        "/v1/privacy/erasures",
        json={"user_id": str(made[globex.id])},
        headers=await acme.headers(client),
    )
    assert foreign.status_code == 404


async def test_an_erasure_is_refused_for_oneself_the_last_owner_and_who_may_not(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    async def erase(asker: str, whom: str) -> int:
        answer = await client.post(
            "/v1/privacy/erasures",
            json={"user_id": str(acme.people[whom].id)},
            headers=await acme.headers(client, asker),
        )
        return answer.status_code

    assert await erase("owner", "owner") == 409
    assert await erase("admin", "owner") in (403, 409)
    assert await erase("manager", "viewer") == 403
    headers = await acme.headers(client)
    clock.advance(minutes=11)
    stale = await client.post(
        "/v1/privacy/erasures", json={"user_id": str(acme.people["viewer"].id)}, headers=headers
    )
    assert stale.json()["details"]["reason"] == "step_up_required"


async def test_an_erasure_and_its_certificate_name_one_moment(
    client: httpx.AsyncClient,
    acme: Organisation,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    headers = await acme.headers(client)

    def ticking() -> datetime:
        clock.advance(milliseconds=1)
        return clock.moment

    monkeypatch.setattr(clock, "now", ticking)
    leaver = str(acme.people["viewer"].id)
    proof = await client.post("/v1/privacy/erasures", json={"user_id": leaver}, headers=headers)
    assert proof.json()["certificate"]["erased_at"] == proof.json()["erased_at"]


async def test_an_erasure_that_fails_erases_nothing_and_a_certificate_that_was_changed_is_known(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client)
    answer = await client.post(
        "/v1/privacy/erasures", json={"user_id": str(acme.people["guest"].id)}, headers=headers
    )
    path = f"/v1/privacy/erasures/{answer.json()['id']}"
    assert (await client.get(path, headers=headers)).json()["genuine"] is True
    await admin.execute(
        "UPDATE erasures SET certificate = certificate || '{\"rows_erased\": {}}' WHERE id = $1",
        UUID(answer.json()["id"]),
    )
    assert (await client.get(path, headers=headers)).json()["genuine"] is False


async def test_sec_crypto_residency_gdpr_07_whoever_comes_back_with_a_backup_is_erased_again(
    client: httpx.AsyncClient,
    acme: Organisation,
    canary: tuple[UUID, str],
    admin: asyncpg.Connection,
) -> None:
    user_id, email = canary
    tables = ("users", "event_personal", "outgoing_mail", "directory")
    backup = {
        table: [
            row[0]
            for row in await admin.fetch(
                f"SELECT to_jsonb(x)::text FROM {table} x WHERE tenant_id = $1"
                " AND x::text LIKE '%' || $2 || '%'",
                acme.id,
                str(user_id) if table in ("users", "directory", "event_personal") else email,
            )
        ]
        for table in tables
    }
    answer = await client.post(
        "/v1/privacy/erasures",
        json={"user_id": str(user_id)},
        headers=await acme.headers(client),
    )
    erasure_id = answer.json()["id"]
    await repeating.note_erasure(Work(acme.house, acme.id, 0), erasure_id=erasure_id)
    (note,) = (acme.house.settings.home / "erasures" / str(acme.id)).iterdir()
    assert email not in note.read_text()
    assert (await repeating.repeat_all(acme.house)).people == 0
    await admin.execute("DELETE FROM erasures WHERE tenant_id = $1", acme.id)
    for table, rows in backup.items():
        assert rows, table
        for row in rows:
            await admin.execute(
                f"INSERT INTO {table}"
                f" SELECT (jsonb_populate_record(NULL::{table}, $1::text::jsonb)).*",
                row,
            )
    assert "users" in await _scan(admin, email)
    repeated = await repeating.repeat_all(acme.house)
    assert (repeated.people, repeated.refused) == (1, ())
    assert await _scan(admin, email) == {}
    assert (await verify_tenant(acme.house, acme.id)).fault is None
    note.write_text(note.read_text().replace(str(user_id), str(acme.people["viewer"].id)))
    forged = await repeating.repeat_all(acme.house)
    assert forged.people == 0
    assert "not signed here" in forged.refused[0]
