"""`pytest --without-tenant`: the whole suite again, with every tenant's transaction left unbound.

A test that opened such a transaction must fail, for nothing may work without a tenant; one that
passes all the same has been shown something, and is reported. It takes as long as the suite, so
it is no part of it.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from leanvibe_server.kernel.db import Connection, Database, Transaction

OPTION = "--without-tenant"


@dataclass
class Count:
    """How many transactions of a tenant a test opened."""

    opened: int = 0


# Tests that pass all the same, because what they do in the transaction is of no tenant.
OF_NO_TENANT = {
    "test_a_failed_transaction_cannot_end_as_if_it_had_lasted": "divides by zero",
    "test_a_cancelled_transaction_leaves_its_connection_as_it_was": "selects a number",
    "test_an_answer_leaves_only_after_its_transaction_ended": "expects the failure",
    "test_a_job_runs_after_its_transaction_and_never_without_it": "the queue",
    "test_long_jobs_of_one_tenant_hold_up_neither_short_ones_nor_another_tenant": "the queue",
    "test_a_job_that_fails_is_tried_again_and_kept_after_the_last_try": "the queue",
}

COUNT = pytest.StashKey[Count]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        OPTION, action="store_true", help="bind no tenant: every test that opens one must fail"
    )


@pytest.fixture(autouse=True)
def bind_no_tenant(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    if not request.config.getoption(OPTION):
        yield
        return
    count = request.node.stash[COUNT] = Count()
    bound = Database.begin_tenant

    async def begin_tenant(self: Database, tenant_id: UUID) -> Transaction:
        count.opened += 1
        transaction = await bound(self, tenant_id)
        # What a transaction has when nobody set the tenant on a connection that was used before.
        await transaction.conn.execute("RESET app.tenant_id")
        return transaction

    @asynccontextmanager
    async def tenant(self: Database, tenant_id: UUID) -> AsyncIterator[Connection]:
        async with await begin_tenant(self, tenant_id) as transaction:
            yield transaction.conn

    monkeypatch.setattr(Database, "begin_tenant", begin_tenant)
    monkeypatch.setattr(Database, "tenant", tenant)
    yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Iterator[pytest.TestReport]:
    """Turn the outcome round for the tests that opened a tenant's transaction."""
    report: pytest.TestReport = yield  # type: ignore[misc]  # what the inner hooks made
    count = item.stash.get(COUNT, None)
    if not isinstance(item, pytest.Function):
        return report
    if count is not None and count.opened and call.when in ("setup", "call"):
        if report.failed:
            report.outcome, report.longrepr = "passed", None
            report.user_properties = [*report.user_properties, ("closed", "1")]
        elif call.when == "call" and item.originalname not in OF_NO_TENANT:
            report.outcome, report.longrepr = "failed", "it passed without a tenant"
    return report
