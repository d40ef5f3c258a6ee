"""The only path across tenants. Every crossing names its reason, and the reason is logged."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from uuid import UUID

from leanvibe_server.kernel.db import Connection, Database, Transaction, begin
from leanvibe_server.kernel.log import logger


class Reason(StrEnum):
    """Why code may look beyond one tenant."""

    SIGN_IN = "find the tenants an e-mail may sign in to"
    SIGN_UP = "create a tenant and its first user"
    TENANT_ADMIN = "a platform admin manages tenants"
    SWITCH_TENANT = "a person moves between their own tenants"
    BREAK_GLASS = "a platform admin looks into a tenant for a stated reason"
    PLATFORM_AUDIT = "a platform admin reads the audit log"
    SIGNING_KEYS = "load or rotate the keys that sign tokens"
    WORKER = "the worker keeps the house: clean-up and clocks"
    OUTBOX = "show the mail that a development installation would have sent"
    DEMO = "make or reset the demo of a development installation"


# The tenant that platform admins belong to. It holds no customer data.
PLATFORM_TENANT = UUID("00000000-0000-7000-8000-000000000001")


async def begin_platform(database: Database, reason: Reason, tenant_id: UUID) -> Transaction:
    """Start a transaction as the platform login, whose policies see every tenant.

    `tenant_id` is the tenant that new rows and events belong to.
    """
    logger("platform").debug("crossing", reason=reason.name, tenant_id=str(tenant_id))
    return await begin(
        database.platform_pool, f"BEGIN; SET LOCAL app.tenant_id = '{UUID(str(tenant_id))}'"
    )


@asynccontextmanager
async def across_tenants(
    database: Database, reason: Reason, tenant_id: UUID = PLATFORM_TENANT
) -> AsyncIterator[Connection]:
    """A platform transaction that commits at the end of the block."""
    transaction = await begin_platform(database, reason, tenant_id)
    async with transaction:
        yield transaction.conn
