"""What an operator does to a database beside the product: its first administrator, and a way
back in for a tenant that has shut itself out."""

import asyncio

import asyncpg

from leanvibe_server import wiring
from leanvibe_server.identity.security.service import lift_networks
from leanvibe_server.identity.service import create_platform_admin
from leanvibe_server.kernel.config import Settings
from leanvibe_server.launch.errors import DatabaseFailed


def create_admin(settings: Settings, *, email: str, password: str | None) -> str | None:
    """Add a platform admin. Without a password the answer is the link to choose one.

    Raises: DatabaseFailed: the database is not migrated.
    """
    try:
        return asyncio.run(_create_admin(settings, email, password))
    except (
        asyncpg.UndefinedTableError,
        asyncpg.InvalidPasswordError,
        asyncpg.InvalidAuthorizationSpecificationError,
    ):
        raise DatabaseFailed(
            "The database has not been set up yet: run `leanvibe-server migrate` first."
        ) from None


async def _create_admin(settings: Settings, email: str, password: str | None) -> str | None:
    house = await wiring.open_house(settings)
    try:
        _, link = await create_platform_admin(house, email, password)
        return link
    finally:
        await house.database.close()


def open_networks(settings: Settings, slug: str) -> bool:
    """Let a tenant's people come from any address again. False: they might already.

    Raises: NotFound: there is no such tenant.
    """

    async def run() -> bool:
        house = await wiring.open_house(settings)
        try:
            return await lift_networks(house, slug)
        finally:
            await house.database.close()

    return asyncio.run(run())
