"""A database of the first release, with all that happened in it, becomes one of this version."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from argon2 import PasswordHasher

from leanvibe_server import wiring
from leanvibe_server.audit.verification import verify_tenant
from leanvibe_server.kernel.house import House
from leanvibe_server.migrations import migrate
from tests.conftest import FakeClock, Ground
from tests.given import PASSWORD

TENANT, ADA, BEN, SESSION = (UUID(int=number, version=4) for number in (11, 12, 13, 14))
THEN = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
ADDRESS, AGENT = "203.0.113.9", "Mozilla/5.0 (Haiku)"
EMAILS = {ADA: "ada@first.example", BEN: "ben@first.example"}
TENANTS = """
INSERT INTO tenants (id, slug, organization_name, display_name, status, plan, data_residency,
    admin_email, configuration, created_at, updated_at)
VALUES ($1, 'first', 'First', 'First', 'active', 'enterprise', 'us', 'ada@first.example', '{}',
    $2, $2)
"""
USERS = """
INSERT INTO users (tenant_id, id, account_id, email, username, password_hash, role, status,
    email_verified_at, created_at, updated_at)
VALUES ($1, $2, $2, $3, $3, $4, $5, 'active', $6, $6, $6)
"""
DIRECTORY = """
INSERT INTO directory (tenant_id, user_id, account_id, email_hash) VALUES ($1, $2, $2, $3)
"""
SESSIONS = """
INSERT INTO sessions (tenant_id, id, user_id, kind, created_at, last_seen_at, expires_at)
VALUES ($1, $2, $3, 'token', $4, $4, $4)
"""
EVENTS = """
INSERT INTO events (tenant_id, id, name, version, public, audited, area, payload, actor_kind,
    actor_id, actor_label, request_id, address, user_agent, occurred_at)
VALUES ($1, $2, $3, 1, true, $4, 'auth', $5, $6, $7, $8, 'req_1', $9, $10, $11)
"""
# Name, payload, who acted; as the first release wrote them.
HAPPENED: list[tuple[str, dict[str, Any], UUID | None]] = [
    ("tenant.created", {"tenant_id": str(TENANT), "slug": "first"}, None),
    ("user.created", {"user_id": str(BEN), "email": EMAILS[BEN], "role": "viewer"}, ADA),
    ("user.login", {"user_id": str(ADA), "email": EMAILS[ADA], "method": "local"}, ADA),
    (
        "user.updated",
        {
            "user_id": str(BEN),
            "changed": {"email": ["old@first.example", EMAILS[BEN]], "role": ["guest", "viewer"]},
        },
        ADA,
    ),
    ("tenant.updated", {"tenant_id": str(TENANT), "changed": ["email", "display_name"]}, ADA),
    ("user.login_failed", {"user_id": str(BEN), "reason": "wrong password"}, None),
]


async def _live_in(admin: asyncpg.Connection, ground: Ground) -> None:
    """What the first release leaves behind."""
    hashed = PasswordHasher(time_cost=3, memory_cost=12 * 1024, parallelism=1).hash(PASSWORD)
    await admin.execute(TENANTS, TENANT, THEN)
    for user, role in ((ADA, "owner"), (BEN, "viewer")):
        await admin.execute(USERS, TENANT, user, EMAILS[user], hashed, role, THEN)
        found = ground.vault.keyed_hash("directory e-mail", EMAILS[user])
        await admin.execute(DIRECTORY, TENANT, user, found)
    await admin.execute(SESSIONS, TENANT, SESSION, ADA, THEN)
    for number, (name, payload, actor) in enumerate(HAPPENED):
        kind = "user" if actor else "system" if name == "tenant.created" else "anonymous"
        seen = (None, None) if kind == "system" else (ADDRESS, AGENT)
        label = EMAILS[actor] if actor else "system" if kind == "system" else None
        at = THEN + timedelta(minutes=number)
        await admin.execute(
            EVENTS, TENANT, UUID(int=100 + number, version=4), name, True, json.dumps(payload),
            kind, actor, label, *seen, at,
        )  # fmt: skip


@pytest.fixture
async def upgraded(ground: Ground, modest_dsn: str) -> AsyncIterator[House]:
    await migrate(modest_dsn, ground.vault, to="0001")
    owner = await asyncpg.connect(ground.admin_dsn.rpartition("/")[0] + "/upgraded")
    try:
        await _live_in(owner, ground)
    finally:
        await owner.close()
    await migrate(modest_dsn, ground.vault)
    house = await wiring.open_house(replace(ground.settings, database_url=modest_dsn))
    house.clock = FakeClock(datetime(2026, 3, 2, 12, 0, tzinfo=UTC))
    yield house
    await house.database.close()


async def test_an_upgrade_from_the_first_release_loses_nothing_and_the_chain_holds(
    upgraded: House,
) -> None:
    verdict = await verify_tenant(upgraded, TENANT)
    assert (verdict.fault, verdict.entries) == (None, len(HAPPENED))
    doors = await wiring.build_app(upgraded)
    async with doors.live:
        transport = httpx.ASGITransport(app=doors.app)
        base = upgraded.settings.base_url
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            signed_in = await client.post(
                "/v1/auth/login", json={"email": EMAILS[ADA], "password": PASSWORD}
            )
            assert signed_in.status_code == 200, signed_in.text
            headers = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
            log = await client.get("/v1/admin/audit?end_date=2026-01-31", headers=headers)
            erased = await client.post(
                "/v1/privacy/erasures", json={"user_id": str(BEN)}, headers=headers
            )
            assert erased.status_code == 201, erased.text
            after = await client.get("/v1/admin/audit", headers=headers)
    told = [
        (entry["event_type"], entry["details"], entry["actor"]["id"])
        for entry in reversed(log.json()["data"])
    ]
    assert told == [
        (name, payload, None if actor is None else str(actor)) for name, payload, actor in HAPPENED
    ]
    seen = {
        (entry["ip_address"], entry["user_agent"], entry["actor"]["label"])
        for entry in log.json()["data"]
    }
    assert seen == {
        (None, None, "system"),
        (ADDRESS, AGENT, EMAILS[ADA]),
        (ADDRESS, AGENT, None),
    }
    # What others did to a person is told of that person, and goes with them.
    for word in (EMAILS[BEN], "old@first.example"):
        assert word in log.text
        assert word not in after.text
    assert EMAILS[ADA] in after.text
    assert (await verify_tenant(upgraded, TENANT)).fault is None


async def test_an_upgrade_enters_tenants_and_sessions_that_were_there(
    upgraded: House, ground: Ground
) -> None:
    owner = await asyncpg.connect(ground.admin_dsn.rpartition("/")[0] + "/upgraded")
    try:
        assert await owner.fetchval("SELECT slug FROM tenant_directory") == "first"
        proved = "SELECT authenticated_at FROM sessions WHERE id = $1"
        assert await owner.fetchval(proved, SESSION) == THEN
        open_tables = "SELECT count(*) FROM pg_class WHERE relrowsecurity <> relforcerowsecurity"
        assert await owner.fetchval(open_tables) == 0
    finally:
        await owner.close()
