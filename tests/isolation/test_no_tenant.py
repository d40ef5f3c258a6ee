"""When no tenant is bound, by whatever mistake, everything fails and nothing is shown."""

import re
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.kernel.db import Database, Transaction, begin, login_dsn
from leanvibe_server.wiring import Doors
from tests.conftest import Ground
from tests.given import Organisation
from tests.kernel.test_database import statements


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> Any:
    """From the moment it is called, transactions begin without a tenant; counts them."""
    begun = []

    async def begin_tenant(self: Database, tenant_id: UUID) -> Transaction:
        transaction = await begin(self.pools_in(self.home).app, "BEGIN")
        begun.append(tenant_id)
        return transaction

    @asynccontextmanager
    async def tenant(self: Database, tenant_id: UUID) -> Any:
        async with await begin_tenant(self, tenant_id) as transaction:
            yield transaction.conn

    def forget() -> list[UUID]:
        monkeypatch.setattr(Database, "begin_tenant", begin_tenant)
        monkeypatch.setattr(Database, "tenant", tenant)
        return begun

    return forget


async def test_every_route_fails_closed_when_no_tenant_is_bound(
    doors: Doors, client: httpx.AsyncClient, acme: Organisation, forgetful: Any
) -> None:
    headers = await acme.headers(client)
    me = await client.get("/v1/auth/me", headers=headers)
    assert me.status_code == 200
    begun = forgetful()
    tried = 0
    for path, operations in doors.api.openapi()["paths"].items():
        if not path.startswith("/v1"):
            continue
        for method in operations:
            where = re.sub(r"\{\w+\}", str(uuid4()), path)
            answer = await client.request(method.upper(), where, headers=headers, json={})
            assert answer.status_code >= 400 or not _of_tenants(answer), f"{method} {path}"
            assert acme.people["owner"].email not in answer.text, f"{method} {path}"
            tried += 1
    assert tried > 40
    # Not for another reason: the database was asked, and it is what refused.
    assert len(begun) > 40


def _of_tenants(answer: httpx.Response) -> bool:
    """Whether an answer shows anything that a tenant owns; prices and the like are everybody's."""
    return answer.request.url.path not in ("/v1/billing/plans", "/v1/auth/passkeys/options")


async def test_every_statement_of_the_house_finds_nothing_without_a_tenant(
    ground: Ground, acme: Organisation
) -> None:
    """Run under the product's login, with values of the right types: an error, or no row."""
    connection = await asyncpg.connect(login_dsn(ground.admin_dsn, "app", ground.vault))
    silent, tried = [], 0
    try:
        for name, statement in statements().items():
            outcome = await _run(connection, statement)
            tried += 1
            if outcome == "shown":
                silent.append(name)
    finally:
        await connection.close()
    assert silent == []
    assert tried > 50


# They tell nothing of a tenant: signs of life, locks, the login's own rights, settings.
HARMLESS = re.compile(
    r"^\s*SELECT (1\b|pg_|set_config|current_)|pg_roles|pg_notify|pg_attribute"
    r"|FROM (information_schema|pg_)",
    re.IGNORECASE,
)
MADE_UP: dict[str, Any] = {
    "uuid": UUID(int=7), "text": "x", "bytea": b"x", "bool": False, "jsonb": "{}", "json": "{}",
}  # fmt: skip


async def _run(connection: asyncpg.Connection, statement: str) -> str:
    """`refused`, `nothing` or `shown`; whatever it did is undone."""
    if HARMLESS.search(statement):
        return "nothing"
    transaction = connection.transaction()
    await transaction.start()
    try:
        prepared = await connection.prepare(statement)
        values = [MADE_UP.get(kind.name) for kind in prepared.get_parameters()]
        rows = await prepared.fetch(*values)
        counted = [value for row in rows for value in row.values() if value not in (0, None)]
        return "shown" if counted else "nothing"
    except asyncpg.PostgresError:
        return "refused"
    finally:
        await transaction.rollback()
