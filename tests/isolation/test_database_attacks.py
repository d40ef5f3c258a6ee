"""Attacks on isolation at the database, under the login the product works with."""

import ast
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

import leanvibe_server
from leanvibe_server import wiring
from leanvibe_server.kernel.db import login_dsn
from leanvibe_server.kernel.house import House
from leanvibe_server.wiring import Doors
from tests.conftest import Ground
from tests.given import Organisation

SOURCES = sorted(Path(leanvibe_server.__file__).parent.rglob("*.py"))


@pytest.fixture
async def app_login(ground: Ground) -> AsyncIterator[asyncpg.Connection]:
    """A bare connection of the product's login, as an attacker inside the product has it."""
    connection = await asyncpg.connect(login_dsn(ground.admin_dsn, "app", ground.vault))
    yield connection
    await connection.close()


async def test_sec_tenant_isolation_db_01_a_query_without_a_tenant_is_an_error_not_an_empty_list(
    app_login: asyncpg.Connection,
) -> None:
    with pytest.raises(asyncpg.UndefinedObjectError):
        await app_login.fetch("SELECT id FROM users")


async def test_a_tenant_that_was_bound_before_does_not_last_beyond_its_transaction(
    app_login: asyncpg.Connection,
) -> None:
    """Once a connection knew the setting PostgreSQL gives '' for it, which is no tenant either."""
    async with app_login.transaction():
        await app_login.execute(f"SET LOCAL app.tenant_id = '{uuid4()}'")
        await app_login.fetch("SELECT id FROM users")
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        await app_login.fetch("SELECT id FROM users")


async def test_sec_tenant_isolation_db_05_set_local_outside_a_transaction_binds_nothing(
    app_login: asyncpg.Connection, acme: Organisation
) -> None:
    await app_login.execute(f"SET LOCAL app.tenant_id = '{acme.id}'")
    with pytest.raises((asyncpg.UndefinedObjectError, asyncpg.InvalidTextRepresentationError)):
        await app_login.fetch("SELECT id FROM users")


def test_no_source_sets_a_tenant_beyond_its_transaction() -> None:
    """The only forms are SET LOCAL at BEGIN, and set_config(…, true)."""
    for path in SOURCES:
        text = path.read_text()
        for found in re.findall(r"\bSET\s+(?:SESSION\s+)?app\.\w+", text):
            pytest.fail(f"{path.name}: {found}")
        for call in re.findall(r"set_config\([^)]*\)", text):
            assert re.fullmatch(r"set_config\('app\.\w+', \$\d+, true\)", call), path.name


@pytest.mark.parametrize(
    ("given", "taken_back"),
    [
        ("ALTER ROLE leanvibe_app SUPERUSER", "ALTER ROLE leanvibe_app NOSUPERUSER"),
        ("ALTER ROLE leanvibe_app BYPASSRLS", "ALTER ROLE leanvibe_app NOBYPASSRLS"),
        (
            "CREATE TABLE lv_owned (); ALTER TABLE lv_owned OWNER TO leanvibe_app",
            "DROP TABLE lv_owned",
        ),
        (
            "CREATE ROLE lv_mighty BYPASSRLS; GRANT lv_mighty TO leanvibe_app",
            "DROP ROLE lv_mighty",
        ),
    ],
    ids=["superuser", "bypasses", "owns a table", "may become one that bypasses"],
)
async def test_sec_tenant_isolation_db_07_the_product_does_not_serve_under_a_login_that_could(
    given: str, taken_back: str, ground: Ground, admin: asyncpg.Connection
) -> None:
    await admin.execute(given)
    try:
        with pytest.raises(Exception, match="could go around row-level security"):
            await wiring.open_house(ground.settings)
    finally:
        await admin.execute(taken_back)


TASK = """
INSERT INTO tasks (tenant_id, id, project_id, title, description, priority, requirements, extra,
    status, progress_percentage, run, assigned_agent, created_at, updated_at)
VALUES ($1, gen_random_uuid(), $2, 't', '', 'medium', '{}', '{}', 'queued', 0, 1, 'a', now(), now())
"""


async def _project_of(client: httpx.AsyncClient, owner: Organisation) -> UUID:
    made = await client.post(
        "/v1/projects", json={"name": "theirs"}, headers=await owner.headers(client)
    )
    return UUID(made.json()["id"])


async def test_sec_tenant_isolation_db_09_a_row_cannot_hang_below_another_tenant_s(
    house: House, client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    theirs = await _project_of(client, globex)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with house.database.tenant(acme.id) as conn:
            await conn.execute(TASK, acme.id, theirs)


async def test_sec_tenant_isolation_db_10_a_foreign_parent_is_refused_like_an_absent_one(
    house: House, client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    async def refusal(project_id: UUID) -> dict[str, object]:
        with pytest.raises(asyncpg.ForeignKeyViolationError) as caught:
            async with house.database.tenant(acme.id) as conn:
                await conn.execute(TASK, acme.id, project_id)
        return {
            name: str(getattr(caught.value, name, "")).replace(str(project_id), "ID")
            for name in ("sqlstate", "message", "detail", "hint", "constraint_name")
        }

    assert await refusal(await _project_of(client, globex)) == await refusal(uuid4())


async def test_sec_tenant_isolation_db_11_an_address_of_another_tenant_is_free_here(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    headers = await acme.headers(client)

    async def invite(email: str) -> httpx.Response:
        return await client.post("/v1/users", json={"email": email}, headers=headers)

    theirs = await invite(globex.people["owner"].email)
    nobody_s = await invite(f"{uuid4().hex}@nobody.example")
    assert theirs.status_code == nobody_s.status_code == 201
    assert set(theirs.json()) == set(nobody_s.json())


async def test_a_taken_name_gets_a_number_so_that_sign_up_tells_nobody_who_is_here(
    client: httpx.AsyncClient,
) -> None:
    name = f"Umbrella {uuid4().hex[:8]}"
    made = [
        await client.post(
            "/v1/tenants", json={"organization_name": name, "admin_email": f"{n}@nobody.example"}
        )
        for n in range(2)
    ]
    assert [answer.status_code for answer in made] == [201, 201]
    assert made[0].json()["slug"] != made[1].json()["slug"]


async def test_sec_tenant_isolation_db_12_rows_are_neither_written_to_nor_moved_to_another_tenant(
    house: House, acme: Organisation, globex: Organisation
) -> None:
    insert = """
    INSERT INTO outgoing_mail (tenant_id, id, recipient, subject, body, created_at)
    VALUES ($1, gen_random_uuid(), 'a@b.example', 's', 'b', now())
    """

    async def write(*statements: tuple[str, UUID]) -> None:
        async with house.database.tenant(acme.id) as conn:
            for statement, tenant_id in statements:
                await conn.execute(statement, tenant_id)

    move = "UPDATE outgoing_mail SET tenant_id = $1"
    for attack in ([(insert, globex.id)], [(insert, acme.id), (move, globex.id)]):
        with pytest.raises(asyncpg.InsufficientPrivilegeError) as caught:
            await write(*attack)
        assert caught.value.sqlstate == "42501"


async def test_sec_tenant_isolation_db_14_a_leaky_condition_is_not_tried_on_hidden_rows(
    house: House, admin: asyncpg.Connection, acme: Organisation, globex: Organisation
) -> None:
    """A division by zero, or a notice, would tell of a row that a policy hides."""
    async with house.database.tenant(acme.id) as conn:
        found = await conn.fetch(
            "SELECT 1 FROM users WHERE 1 / (CASE WHEN email = $1 THEN 0 ELSE 1 END) = 1",
            globex.people["owner"].email,
        )
        assert len(found) == len(acme.people)
        plan = await conn.fetch("EXPLAIN (VERBOSE) SELECT * FROM users WHERE email LIKE 'a%'")
        assert globex.people["owner"].email not in str(plan)
        await admin.execute("ANALYZE users")
        seen = "SELECT count(*) FROM pg_stats WHERE tablename = 'users'"
        assert await conn.fetchval(seen) == 0


async def test_sec_tenant_isolation_db_14_the_product_s_login_makes_no_functions_and_reads_no_files(
    house: House, acme: Organisation
) -> None:
    for attack in (
        "CREATE FUNCTION leak(text) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS"
        " 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'",
        "CREATE FUNCTION pg_temp.leak(text) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS"
        " 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'",
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "TRUNCATE users",
        "COPY users TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
        "SET LOCAL ROLE leanvibe_platform",
        "SET LOCAL SESSION AUTHORIZATION leanvibe_platform",
        "ALTER TABLE users DISABLE ROW LEVEL SECURITY",
        "SET LOCAL session_replication_role = replica",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with house.database.tenant(acme.id) as conn:
                await conn.execute(attack)
    # It may be switched off, but then a query fails rather than shows more.
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with house.database.tenant(acme.id) as conn:
            await conn.execute("SET LOCAL row_security = off; SELECT id FROM users")


async def test_the_server_has_the_fixes_of_known_leaks(admin: asyncpg.Connection) -> None:
    """Source: CVE-2025-8713 and CVE-2019-10130: statistics and leaky operators."""
    version = int(await admin.fetchval("SHOW server_version_num"))
    fixed = {15: 150014, 16: 160010, 17: 170006}
    assert version >= fixed.get(version // 10000, 0)


CANARIES = (
    "'; SELECT set_config('app.tenant_id', '{other}', true); --",
    "x' UNION SELECT set_config('app.tenant_id', '{other}', true) --",
    "'||set_config('app.tenant_id','{other}',false)||'",
    "$$; SET app.tenant_id = '{other}'; $$",
    '{{"$gt": ""}}',
)


async def test_sec_tenant_isolation_db_16_nothing_a_caller_sends_becomes_sql(
    doors: Doors, client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    """Every filter of every list, with words that would bind another tenant."""
    headers = await acme.headers(client)
    theirs = globex.people["owner"].email
    tried = 0
    for path, operations in doors.api.openapi()["paths"].items():
        operation = operations.get("get")
        if operation is None or "{" in path:
            continue
        names = [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
        for name in names:
            for canary in CANARIES:
                answer = await client.get(
                    path, params={name: canary.format(other=globex.id)}, headers=headers
                )
                assert answer.status_code < 500, f"{path}?{name}"
                assert theirs not in answer.text, f"{path}?{name}"
                tried += 1
    assert tried > 20


# Filters of SCIM become conditions of a fixed vocabulary, with every value a parameter; their own
# tests try to break out. The others never meet a caller.
PUT_TOGETHER_OTHERWISE = {"scim", "keys", "migrations", "inside", "postgres.py", "owner.py"}


def test_no_statement_is_put_together_from_values() -> None:
    """SQL is made of constants: what is formatted into a statement is a name in capitals."""
    verbs = re.compile(r"^\s*(SELECT|INSERT|UPDATE|DELETE|WITH|BEGIN)\b")
    for path in SOURCES:
        if PUT_TOGETHER_OTHERWISE & {*path.parts}:
            continue
        for node in _made_at_run_time(ast.parse(path.read_text())):
            first = node.values[0] if node.values else None
            if isinstance(first, ast.Constant) and verbs.match(str(first.value)):
                for value in node.values:
                    if isinstance(value, ast.FormattedValue):
                        assert _is_constant(value.value), f"{path.name}:{node.lineno}"


def _made_at_run_time(module: ast.Module) -> Iterator[ast.JoinedStr]:
    """The formatted texts inside functions: those of a module are made before anybody calls."""
    for function in ast.walk(module):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (n for n in ast.walk(function) if isinstance(n, ast.JoinedStr))


# Put together from names of columns and tables that the code or the catalogue itself gives.
OF_THE_SCHEMA = {"assignments", "table.table", "kept.only", "kept.column", "moment"}
OF_THE_SCHEMA |= {
    "table['name']",
    "shown",
    "bound",
    "table.tenant_column",
    "of_person(table)",
    "held",
    "of_person",
    "values",
}


def _is_constant(node: ast.expr) -> bool:
    """A constant of the module, a name of the schema, or a UUID, which cannot hold a quote."""
    if ast.unparse(node) in OF_THE_SCHEMA:
        return True
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "UUID"
    return isinstance(node, ast.Name) and node.id.strip("_").isupper()
