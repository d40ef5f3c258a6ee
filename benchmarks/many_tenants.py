"""An installation with ten thousand tenants against one with ten: the list, a sign-in, a read."""

import asyncio
import urllib.parse
from contextlib import ExitStack
from dataclasses import dataclass

import asyncpg

from benchmarks import load, rounds
from benchmarks.authenticated_read import side
from benchmarks.ground import Ground, Server, serving, stand
from benchmarks.load import Caller
from benchmarks.report import Effort, Figure, Findings
from benchmarks.residents import PASSWORD, Resident, post, settle
from benchmarks.rounds import Rounds
from leanvibe_server.identity import addresses
from leanvibe_server.identity.service import create_platform_admin
from leanvibe_server.kernel.db import Database
from leanvibe_server.kernel.house import House

GOAL = 1.2
FEW = 10
MANY = 10_000
ADMIN = "admin@platform.example"
SIGN_INS = 12
LISTS = 60

# Tenants with one user each, as sign-up leaves them, beside those that are signed in to.
FILL = """
WITH t AS (
    INSERT INTO tenants (id, slug, organization_name, display_name, status, plan, data_residency,
        admin_email, configuration, created_at, updated_at)
    SELECT gen_random_uuid(), 'filled-' || n, 'Filled ' || n, 'Filled ' || n, 'active',
        CASE n % 3 WHEN 0 THEN 'enterprise' WHEN 1 THEN 'team' ELSE 'developer' END, 'us',
        'owner@filled-' || n || '.example', '{}', now(), now()
    FROM generate_series(1, $1::int) n
    RETURNING id, slug, admin_email),
d AS (
    INSERT INTO tenant_directory (tenant_id, slug, claimed_at, settled_at)
    SELECT id, slug, now(), now() FROM t)
INSERT INTO users (tenant_id, id, account_id, email, username, role, status, created_at, updated_at)
SELECT id, gen_random_uuid(), gen_random_uuid(), admin_email, 'owner', 'owner', 'active',
    now(), now()
FROM t
"""
UNLISTED = """
SELECT u.tenant_id, u.id, u.account_id, u.email FROM users u
LEFT JOIN directory d ON d.tenant_id = u.tenant_id AND d.user_id = u.id WHERE d.user_id IS NULL
"""
LIST_THEM = """
INSERT INTO directory (tenant_id, user_id, account_id, email_hash) VALUES ($1, $2, $3, $4)
"""


@dataclass(frozen=True)
class Town:
    """One installation and what is asked of it."""

    server: Server
    lists: list[bytes]
    filtered: list[bytes]
    sign_ins: list[bytes]


def run(effort: Effort) -> Findings:
    """Two installations on one machine, each with a database and a server of its own; the same
    requests to both, in turn. A sign-in costs a password hash, which both pay."""
    with ExitStack() as stack:
        caller = stack.enter_context(load.caller())
        few = _build(stack, FEW)
        many = _build(stack, effort.of(MANY, 200))
        version = few[1].postgres_version
        counts = {"lists": effort.of(LISTS, 10), "filtered": effort.of(LISTS, 10),
                  "sign_ins": effort.of(SIGN_INS, 3)}  # fmt: skip
        taken = {
            what: _take_turns(caller, few[0], many[0], what, count, effort.of(30, 2))
            for what, count in counts.items()
        }
    names = {
        "lists": "the newest 10 tenants",
        "filtered": "the newest 10 tenants of a plan",
        "sign_ins": "a sign-in",
    }
    return Findings(
        question="What do ten thousand tenants cost the list and a sign-in, over ten?",
        figures=[
            Figure(
                f"{name}, p50",
                rounds.ratio(taken[what], "many", to="few", of="p50_ms"),
                goal=GOAL,
            )
            for what, name in names.items()
        ],
        control=Figure(
            "the list of ten against itself, p50",
            rounds.ratio(taken["lists"], "control", to="few", of="p50_ms"),
        ),
        rounds={what: rounds.raw(one) for what, one in taken.items()},
        postgres_version=version,
        notes={"few": FEW, "many": MANY, "requests_per_round": counts},
    )


def _take_turns(
    caller: Caller, few: Town, many: Town, what: str, count: int, rounds_wanted: int
) -> Rounds:
    def one(town: Town) -> rounds.Side:
        return side(caller, town.server, getattr(town, what), count)

    return rounds.interleave(
        {"few": one(few), "many": one(many), "control": one(few)}, rounds=rounds_wanted
    )


def _build(stack: ExitStack, tenants: int) -> tuple[Town, Ground]:
    ground = stack.enter_context(stand())
    residents = settle(ground, tenants=FEW, projects_each=0)
    asyncio.run(_fill(ground, tenants - FEW))
    server = stack.enter_context(serving(ground, "product"))
    token = str(
        post(server, "/v1/auth/login", {"email": ADMIN, "password": PASSWORD})["access_token"]
    )
    headers = {"Authorization": f"Bearer {token}"}

    def listing(**asked: str) -> list[bytes]:
        return [load.get(f"/v1/tenants?{urllib.parse.urlencode(asked)}", headers)]

    return (
        Town(
            server,
            listing(limit="10"),
            listing(limit="10", plan="enterprise", status="active"),
            _sign_ins(residents),
        ),
        ground,
    )


def _sign_ins(residents: list[Resident]) -> list[bytes]:
    return [
        load.post("/v1/auth/login", {"email": resident.email, "password": PASSWORD}, place=number)
        for number, resident in enumerate(residents)
    ]


async def _fill(ground: Ground, tenants: int) -> None:
    database = await Database.open(ground.settings, ground.vault)
    await create_platform_admin(House(ground.settings, database, ground.vault), ADMIN, PASSWORD)
    await database.close()
    owner = await asyncpg.connect(ground.admin_dsn)
    await owner.execute("SET statement_timeout = '120s'")
    if tenants > 0:
        await owner.execute(FILL, tenants)
        rows = await owner.fetch(UNLISTED)
        await owner.executemany(
            LIST_THEM,
            [
                (*tuple(row)[:3], addresses.directory_hash(ground.vault, row["email"]))
                for row in rows
            ],
        )
    await owner.execute("VACUUM ANALYZE")
    await owner.close()
