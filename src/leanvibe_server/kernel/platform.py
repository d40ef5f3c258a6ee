"""The only path across tenants. Every crossing names its reason, and the reason is logged."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from leanvibe_server.kernel.db import Connection, Database, Transaction
from leanvibe_server.kernel.errors import Forbidden
from leanvibe_server.kernel.event_privacy import printable
from leanvibe_server.kernel.log import logger, speak_of_elsewhere
from leanvibe_server.kernel.pulse import UNREACHABLE
from leanvibe_server.kernel.regions import PLATFORM_TENANT

__all__ = [
    "PLATFORM_TENANT",
    "Reason",
    "across_tenants",
    "ask_reachable",
    "ask_regions",
    "autocommit",
    "begin_platform",
    "require_reason",
    "sweep_regions",
]

Answer = TypeVar("Answer")


class Reason(StrEnum):
    """Why code may look beyond one tenant."""

    SIGN_IN = "find the tenants an e-mail may sign in to"
    SIGN_UP = "create a tenant and its first user"
    DIRECTORY = "find out or note in which region somebody lives"
    TENANT_ADMIN = "a platform admin manages tenants"
    SWITCH_TENANT = "a person moves between their own tenants"
    ORGANIZATIONS = "an administrator runs organisations below their own"
    BREAK_GLASS = "a platform admin looks into a tenant for a stated reason"
    PLATFORM_AUDIT = "a platform admin reads the audit log"
    SIGNING_KEYS = "load or rotate the keys that sign tokens"
    DATA_KEYS = "rotate, rewrap or destroy the data keys of tenants"
    AUDIT_CHAIN = "seal and verify the audit logs of tenants"
    PRIVACY_EXPORT = "somebody fetches an export by its link"
    WORKER = "the worker keeps the house: clean-up and clocks"
    OUTBOX = "show the mail that a development installation would have sent"
    DEMO = "make or reset the demo of a development installation"


MIN_REASON = 10
MAX_REASON = 500


def require_reason(text: str | None) -> str:
    """Why a platform admin looks into a tenant, in words fit for the audit logs of both.

    Raises: Forbidden: nothing was said, or next to nothing.
    """
    reason = (printable(text, MAX_REASON) or "").strip()
    if len(reason) < MIN_REASON:
        raise Forbidden(
            "To look into another tenant, say why in X-Break-Glass-Reason "
            f"({MIN_REASON} characters or more). It is written to both audit logs."
        )
    return reason


async def begin_platform(
    database: Database, reason: Reason, tenant_id: UUID, *, region: str | None = None
) -> Transaction:
    """Start a transaction as the platform login, whose policies see every tenant of a region.

    `tenant_id` is the tenant that new rows and events belong to; the transaction is in its
    region, unless another is named. The platform's own tenant lives in the home region.
    """
    logger("platform").debug("crossing", reason=reason.name, tenant_id=str(tenant_id))
    return await database.begin_platform(tenant_id, region)


@asynccontextmanager
async def across_tenants(
    database: Database,
    reason: Reason,
    tenant_id: UUID = PLATFORM_TENANT,
    *,
    region: str | None = None,
) -> AsyncIterator[Connection]:
    """A platform transaction that commits at the end of the block."""
    transaction = await begin_platform(database, reason, tenant_id, region=region)
    async with transaction:
        yield transaction.conn


@asynccontextmanager
async def autocommit(
    database: Database, reason: Reason, *, region: str | None = None
) -> AsyncIterator[Connection]:
    """A platform connection on which each statement is a transaction of its own, for paths whose
    every statement stands alone: it saves the round trips of BEGIN and COMMIT.

    A pooler needs the transaction, to keep a statement's messages on one connection.
    """
    pools = database.pools_in(region or database.home)
    if pools.pooled:
        async with across_tenants(database, reason, region=region or database.home) as conn:
            yield conn
        return
    logger("platform").debug("crossing", reason=reason.name, autocommit=True)
    async with pools.lend(pools.platform) as conn:
        yield conn


async def ask_regions(
    database: Database, reason: Reason, ask: Callable[[Connection], Awaitable[Answer]]
) -> list[Answer]:
    """What each region answers, the home region first. For the platform's own lists: what is
    read so is shown and not kept. One region that does not answer fails the whole, but for the
    worker, who leaves it for the next time."""
    answers, unreachable = await _ask_each(database, reason, ask)
    if unreachable and reason != Reason.WORKER:
        raise next(iter(unreachable.values()))
    return answers


async def ask_reachable(
    database: Database, reason: Reason, ask: Callable[[Connection], Awaitable[Answer]]
) -> tuple[list[Answer], list[str]]:
    """What the regions that answer say, the home region first, and which do not. For lists that
    tell what is missing from them."""
    answers, unreachable = await _ask_each(database, reason, ask)
    return answers, list(unreachable)


async def _ask_each(
    database: Database, reason: Reason, ask: Callable[[Connection], Awaitable[Answer]]
) -> tuple[list[Answer], dict[str, Exception]]:
    """The answers of the regions, asked side by side, and for the other regions why there is none.
    The home region must answer."""

    async def ask_one(region: str) -> Answer | Exception:
        try:
            async with across_tenants(database, reason, region=region) as conn:
                return await ask(conn)
        except UNREACHABLE as error:
            if region == database.home:
                raise
            failure = type(error).__name__
            logger("platform").warning("region not asked", region=region, error_type=failure)
            return error

    regions = database.regions
    if len(regions) > 1:
        speak_of_elsewhere()
    asked = await asyncio.gather(*map(ask_one, regions))
    answers: list[Answer] = []
    unreachable: dict[str, Exception] = {}
    for region, answer in zip(regions, asked, strict=True):
        if isinstance(answer, Exception):
            unreachable[region] = answer
        else:
            answers.append(answer)
    return answers, unreachable


async def sweep_regions(database: Database, sweep: Callable[[Connection], Awaitable[None]]) -> None:
    """Clean up in each region. One that does not answer is left for the next time."""
    for region in database.regions:
        try:
            async with across_tenants(database, Reason.WORKER, region=region) as conn:
                await sweep(conn)
        except UNREACHABLE as error:
            if region == database.home:
                raise
            logger("platform").warning(
                "region not swept", region=region, error_type=type(error).__name__
            )
