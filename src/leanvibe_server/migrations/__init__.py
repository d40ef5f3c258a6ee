"""Bring a database to the schema of this version, with the logins the product works under."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from leanvibe_server.kernel.crypto import Vault
from leanvibe_server.kernel.db import LOGINS, database_name, role_name

MINIMUM_POSTGRES = 150000
_LOCK_TIMEOUT_S = 120.0
_FOLDER = Path(__file__).parent

RIGHTS = """
SELECT rolsuper AS superuser, rolcreatedb AS createdb, rolcreaterole AS createrole,
       rolbypassrls AS bypassrls, rolreplication AS replication
FROM pg_roles WHERE rolname = $1
"""


class CannotMigrate(Exception):
    """The database cannot be used. The message says why and what to do."""


@dataclass(frozen=True)
class Migrated:
    """What `migrate` found and did."""

    before: str | None
    after: str


async def migrate(admin_dsn: str, vault: Vault, *, to: str = "head") -> Migrated:
    """Make the logins, then run every migration that is missing, up to the revision `to`. Safe to
    run again and at once.

    Raises: CannotMigrate: unreachable, too old, or the admin may not create roles.
    """
    connection = await _connect(admin_dsn)
    try:
        if connection.get_server_version().major * 10000 < MINIMUM_POSTGRES:
            raise CannotMigrate("PostgreSQL 15 or newer is needed.")
        # One migration at a time: a session lock, so this connection stays open throughout.
        await _lock(connection)
        await _make_logins(connection, database_name(admin_dsn), vault)
        before = await _revision(connection)
        await asyncio.to_thread(_upgrade, admin_dsn, to)
        after = await _revision(connection)
    finally:
        await connection.close()
    return Migrated(before=before, after=after or "")


async def _connect(dsn: str) -> Any:
    try:
        return await asyncpg.connect(dsn, timeout=10)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise CannotMigrate(f"The database does not answer at DATABASE_URL: {error}") from None


async def _lock(connection: Any) -> None:
    try:
        await connection.execute(
            "SELECT pg_advisory_lock(hashtext('leanvibe.migrate'))", timeout=_LOCK_TIMEOUT_S
        )
    except TimeoutError:
        raise CannotMigrate(
            f"Another migration of this database did not end within {_LOCK_TIMEOUT_S:g} s: "
            "see what it waits for, then try again."
        ) from None


async def _make_logins(connection: Any, database: str, vault: Vault) -> None:
    for login in LOGINS:
        role = role_name(database, login)
        password = vault.database_password(role)
        rights = await connection.fetchrow(RIGHTS, role)
        try:
            if rights is None:
                await connection.execute(f'CREATE ROLE "{role}" LOGIN')
            else:
                await _take_rights(connection, role, rights)
            await connection.execute(f"ALTER ROLE \"{role}\" LOGIN PASSWORD '{password}'")
        except asyncpg.InsufficientPrivilegeError:
            raise CannotMigrate(
                f"The user of DATABASE_URL may not make or change the role {role}: "
                "give it CREATEROLE."
            ) from None
        await connection.execute(f'GRANT CONNECT ON DATABASE "{database}" TO "{role}"')
        # PostgreSQL lets everybody make temporary tables, and functions among them.
        await connection.execute(f'REVOKE TEMPORARY ON DATABASE "{database}" FROM PUBLIC')
        for setting in ("statement_timeout = '60s'", "lock_timeout = '20s'"):
            await connection.execute(f'ALTER ROLE "{role}" SET {setting}')
        if login != "worker":
            await connection.execute(
                f"ALTER ROLE \"{role}\" SET idle_in_transaction_session_timeout = '60s'"
            )


async def _take_rights(connection: Any, role: str, rights: Any) -> None:
    """Take what a login must not have. Only what it has: to name the others needs a superuser."""
    found = " ".join(f"NO{right.upper()}" for right, held in rights.items() if held)
    if found:
        await connection.execute(f'ALTER ROLE "{role}" {found}')


async def _revision(connection: Any) -> str | None:
    if await connection.fetchval("SELECT to_regclass('public.alembic_version')") is None:
        return None
    revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return revision


def newest_revision() -> str:
    """The revision a database of this version is at."""
    return max(path.name.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*.py"))


def _upgrade(admin_dsn: str, to: str) -> None:
    # Alembic and SQLAlchemy take longer to load than anything else, and only who migrates needs
    # them: not the API, not the worker.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["dsn"] = admin_dsn
    command.upgrade(config, to)
