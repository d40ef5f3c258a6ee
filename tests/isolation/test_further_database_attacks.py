"""Further ways around the policies, tried under the login the product works under."""

import re
from collections.abc import AsyncIterator
from io import BytesIO
from uuid import UUID

import asyncpg
import httpx
import pytest

from leanvibe_server.kernel.db import login_dsn
from leanvibe_server.kernel.events import ACCESS, LIVE_CHANNEL
from tests.conftest import Ground
from tests.given import Organisation

BIND = "SELECT set_config('app.tenant_id', $1, true)"


@pytest.fixture
async def app(ground: Ground) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the product's login, with statements kept prepared as the product does."""
    connection = await asyncpg.connect(login_dsn(ground.admin_dsn, "app", ground.vault))
    yield connection
    await connection.close()


@pytest.mark.parametrize("bound", ["", " ", "%", "*", "null", "not a uuid", "{a},{b}", "0" * 31])
async def test_a_tenant_that_is_none_is_an_error_and_never_every_tenant(
    app: asyncpg.Connection, acme: Organisation, bound: str
) -> None:
    async with app.transaction():
        await app.execute(BIND, bound)
        with pytest.raises(asyncpg.InvalidTextRepresentationError):
            await app.fetch("SELECT * FROM users")


async def test_a_statement_prepared_for_one_tenant_shows_the_next_one_its_own(
    app: asyncpg.Connection, acme: Organisation, globex: Organisation
) -> None:
    """More often than the five times after which the server keeps one plan for all."""
    prepared = await app.prepare("SELECT DISTINCT tenant_id FROM users WHERE status = $1")
    for _ in range(8):
        for org in (acme, globex):
            async with app.transaction():
                await app.execute(BIND, str(org.id))
                assert [row[0] for row in await prepared.fetch("active")] == [org.id]


async def test_a_cursor_ends_with_its_tenants_transaction(
    app: asyncpg.Connection, acme: Organisation, globex: Organisation
) -> None:
    async with app.transaction():
        await app.execute(BIND, str(acme.id))
        await app.execute("DECLARE held CURSOR FOR SELECT tenant_id FROM users")
        await app.execute(BIND, str(globex.id))
        # What a cursor shows was decided when it was opened, or is asked anew: never both.
        shown = {row[0] for row in await app.fetch("FETCH ALL FROM held")}
        assert len(shown) == 1
    with pytest.raises(asyncpg.InvalidCursorNameError):
        await app.fetch("FETCH ALL FROM held")


# Each would write to, or tell of, the row of another tenant whose key is known.
WAYS = {
    "upsert": """
        INSERT INTO projects SELECT (jsonb_populate_record(NULL::projects, $1::text::jsonb)).*
        ON CONFLICT (tenant_id, id) DO UPDATE SET name = 'taken' RETURNING id
    """,
    "merge": """
        MERGE INTO projects p
        USING jsonb_populate_record(NULL::projects, $1::text::jsonb) s ON p.id = s.id
        WHEN MATCHED THEN UPDATE SET name = 'taken'
    """,
    "update": "UPDATE projects SET name = 'taken' WHERE id = ($1::text::jsonb->>'id')::uuid",
    "update from": """
        UPDATE projects p SET name = 'taken'
        FROM jsonb_populate_record(NULL::projects, $1::text::jsonb) s
        WHERE p.tenant_id = s.tenant_id AND p.id = s.id
    """,
    "delete": "DELETE FROM projects WHERE id = ($1::text::jsonb->>'id')::uuid",
    "lock": "SELECT id FROM projects WHERE id = ($1::text::jsonb->>'id')::uuid FOR UPDATE",
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_row_whose_key_is_known_is_out_of_reach_of_every_kind_of_statement(
    app: asyncpg.Connection,
    admin: asyncpg.Connection,
    acme: Organisation,
    globex: Organisation,
    client: httpx.AsyncClient,
    way: str,
) -> None:
    made = await client.post(
        "/v1/projects", json={"name": "theirs"}, headers=await globex.headers(client)
    )
    project_id = UUID(made.json()["id"])
    row = "SELECT to_jsonb(p)::text FROM projects p WHERE id = $1"
    theirs = await admin.fetchval(row, project_id)
    changed: list[asyncpg.Record] = []
    try:
        async with app.transaction():
            await app.execute(BIND, str(acme.id))
            changed = await app.fetch(WAYS[way], theirs)
    except asyncpg.InsufficientPrivilegeError:
        pass
    assert changed == []
    assert await admin.fetchval(row, project_id) == theirs


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE users",
        "COPY users TO PROGRAM 'cat'",
        "COPY (SELECT 1) TO '/tmp/x'",
        "CREATE TABLE loot (x int)",
        "CREATE TEMP TABLE loot AS SELECT * FROM users",
        "CREATE VIEW loot AS SELECT * FROM users",
        "ALTER TABLE users DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tenant_rows ON users",
        "CREATE TRIGGER t AFTER INSERT ON users EXECUTE FUNCTION pg_notify('a', 'b')",
        "SET SESSION AUTHORIZATION postgres",
        "SET ROLE leanvibe_platform",
        "SET session_replication_role = replica",
        "ALTER ROLE leanvibe_app BYPASSRLS",
        "GRANT leanvibe_platform TO leanvibe_app",
        "SELECT * FROM pg_authid",
        "SELECT * FROM pg_statistic",
        "SELECT * FROM signing_keys",
        "SELECT dblink_connect('x')",
        "LOAD 'auto_explain'",
    ],
)
async def test_the_product_s_login_may_not(
    app: asyncpg.Connection, acme: Organisation, statement: str
) -> None:
    refused = (
        asyncpg.InsufficientPrivilegeError,
        asyncpg.UndefinedFunctionError,
        asyncpg.InvalidParameterValueError,
        asyncpg.PostgresSyntaxError,
    )
    async with app.transaction():
        await app.execute(BIND, str(acme.id))
        with pytest.raises(refused):
            await app.execute(statement)


async def test_row_security_off_is_an_error_and_shows_nothing(
    app: asyncpg.Connection, acme: Organisation
) -> None:
    async with app.transaction():
        await app.execute(BIND, str(acme.id))
        await app.execute("SET LOCAL row_security = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.fetch("SELECT * FROM users")


async def test_statistics_tell_nothing_of_others(
    app: asyncpg.Connection, acme: Organisation, globex: Organisation, admin: asyncpg.Connection
) -> None:
    await admin.execute("ANALYZE users")
    async with app.transaction():
        await app.execute(BIND, str(acme.id))
        told = await app.fetchval("SELECT count(*) FROM pg_stats WHERE tablename = 'users'")
        plan = await app.fetch(
            "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM users WHERE email = $$nobody$$"
        )
    assert told == 0
    assert globex.people["owner"].email not in str(plan)


async def test_a_subtree_named_by_hand_shows_tenants_and_nothing_they_own(
    app: asyncpg.Connection, acme: Organisation, globex: Organisation
) -> None:
    async with app.transaction():
        await app.execute(BIND, str(acme.id))
        await app.execute("SELECT set_config('app.subtree', $1, true)", str(globex.id))
        for table in ("users", "projects", "tasks", "sessions", "api_keys", "events", "data_keys"):
            count = f"SELECT count(*) FROM {table} WHERE tenant_id = $1"
            assert await app.fetchval(count, globex.id) == 0, table
        changed = await app.execute(
            "UPDATE tenants SET display_name = 'taken' WHERE id = $1", globex.id
        )
    assert changed == "UPDATE 0"


async def test_a_table_that_is_copied_holds_the_bound_tenants_rows_only(
    app: asyncpg.Connection, acme: Organisation, globex: Organisation
) -> None:
    copied = BytesIO()
    async with app.transaction():
        await app.execute(BIND, str(acme.id))
        await app.copy_from_table("users", output=copied)
    told = copied.getvalue().decode()
    assert told.count("\n") == len(acme.people)
    assert acme.people["owner"].email in told
    assert str(globex.id) not in told


async def test_what_is_told_to_every_listener_is_ids_and_nothing_else(
    app: asyncpg.Connection, client: httpx.AsyncClient, acme: Organisation
) -> None:
    """One channel tells all tenants' news: whoever could listen to it learns of no word in it."""
    told: list[str] = []
    await app.add_listener(LIVE_CHANNEL, lambda *heard: told.append(str(heard[-1])))
    headers = await acme.headers(client)
    made = await client.post("/v1/tasks", json={"title": "Tell nobody"}, headers=headers)
    assert made.status_code == 201, made.text
    left = {"status": "disabled"}
    viewer = acme.people["viewer"].id
    await client.patch(f"/v1/users/{viewer}", json=left, headers=headers)
    await app.fetchval("SELECT 1")
    assert f"{ACCESS}{viewer}" in told
    assert any(made.json()["id"] in one for one in told)
    assert [one for one in told if not re.fullmatch(r"[a-z:/0-9-]+", one)] == []
