"""The database: pools for the logins of the house, and transactions with a tenant bound."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg

from leanvibe_server.kernel.config import ConfigError, Settings
from leanvibe_server.kernel.crypto import Vault

if TYPE_CHECKING:
    Connection = (
        asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    )
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection = Any
    Pool = asyncpg.Pool

Login = Literal["app", "platform", "worker"]
LOGINS: tuple[Login, ...] = ("app", "platform", "worker")


class HouseConnection(asyncpg.Connection):
    """A pooled connection that carries no session state, so giving it back costs no round trip.

    Every setting is made with SET LOCAL and dies with its transaction; a transaction that was
    left open is still rolled back by the pool.
    """

    def get_reset_query(self) -> str:
        return ""


def role_name(database: str, login: Login) -> str:
    """The PostgreSQL role behind a login: roles are shared by a server's databases."""
    return f"{database}_{login}"


def database_name(dsn: str) -> str:
    """The database a URL points to."""
    return urlsplit(dsn).path.lstrip("/") or "postgres"


def login_dsn(admin_dsn: str, login: Login, vault: Vault) -> str:
    """The admin's URL with the name and password of one of our logins."""
    parts = urlsplit(admin_dsn)
    role = role_name(database_name(admin_dsn), login)
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{role}:{vault.database_password(role)}@{host}"
    return urlunsplit(parts._replace(netloc=netloc))


# What the current login is or may become by SET ROLE, as far as it could bypass a policy.
PRIVILEGES = """
SELECT current_user AS login,
       CASE WHEN r.rolsuper THEN 'SUPERUSER' WHEN r.rolbypassrls THEN 'BYPASSRLS'
            ELSE 'it owns a table' END AS why
FROM pg_roles r
WHERE pg_has_role(current_user, r.oid, 'MEMBER')
  AND (r.rolsuper OR r.rolbypassrls OR EXISTS (
      SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relowner = r.oid AND n.nspname = 'public' AND c.relkind IN ('r', 'p')))
"""


async def prepare_connection(connection: Any) -> None:
    """Teach a connection our types: JSONB columns are plain Python values."""
    async with connection.transaction():
        await connection.set_type_codec(
            "jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
        )


class Database:
    """The pools of one process."""

    def __init__(self, app: Pool, platform: Pool) -> None:
        self._app = app
        self.platform_pool = platform

    @classmethod
    async def open(cls, settings: Settings, vault: Vault) -> "Database":
        """Connect as app and as platform. The worker's queue has a connection of its own."""
        size = settings.database_pool_size
        pooled = bool(settings.database_direct_url)
        app = await _open_pool(login_dsn(settings.database_url, "app", vault), size, pooled=pooled)
        platform = await _open_pool(
            login_dsn(settings.database_url, "platform", vault), max(2, size // 2), pooled=pooled
        )
        database = cls(app, platform)
        try:
            await database.refuse_privileged_login()
        except BaseException:
            await database.close()
            raise
        return database

    async def refuse_privileged_login(self) -> None:
        """Serve only under a login that row-level security holds.

        Raises: ConfigError: the app's login is a superuser, has BYPASSRLS, owns a table, or may
            become a role that does.
        """
        async with self._app.acquire() as conn, conn.transaction():
            roles = await conn.fetch(PRIVILEGES)
        for role in roles:
            raise ConfigError(
                f"The database login {role['login']} could go around row-level security "
                f"({role['why']}). Run `leanvibe-server migrate`, and take those rights away."
            )

    async def close(self) -> None:
        await self._app.close()
        await self.platform_pool.close()

    async def begin_tenant(self, tenant_id: UUID) -> "Transaction":
        """Start a transaction in which exactly this tenant's rows exist."""
        return await begin(self._app, f"BEGIN; SET LOCAL app.tenant_id = '{UUID(str(tenant_id))}'")

    @asynccontextmanager
    async def tenant(self, tenant_id: UUID) -> AsyncIterator[Connection]:
        """A transaction for one tenant that commits at the end of the block."""
        transaction = await self.begin_tenant(tenant_id)
        async with transaction:
            yield transaction.conn

    async def check(self) -> None:
        """Ask the database for a sign of life."""
        await self._app.execute("SELECT 1", timeout=2)


async def _open_pool(dsn: str, size: int, *, pooled: bool) -> Pool:
    """Connections to the server, or to a pooler in transaction mode, where a statement that was
    prepared in one transaction is unknown to the next."""
    pool: Pool = await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=size,
        command_timeout=60,
        timeout=10,
        statement_cache_size=0 if pooled else 100,
        connection_class=HouseConnection,
        init=prepare_connection,
        server_settings={"application_name": "leanvibe"},
    )
    return pool


class Transaction:
    """One open transaction. It ends exactly once: by commit or by rollback."""

    def __init__(self, pool: Pool, conn: Connection) -> None:
        self._pool = pool
        self.conn = conn
        self._open = True

    async def commit(self) -> None:
        """Make it last, and give the connection back.

        A COMMIT of a failed transaction is answered by PostgreSQL with ROLLBACK: that is an error.
        """
        if not self._open:
            return
        answer = await self._end("COMMIT")
        if answer != "COMMIT":
            raise RuntimeError("the transaction had failed and was rolled back")

    async def rollback(self) -> None:
        """Undo it, and give the connection back. Safe to call after an end."""
        if not self._open:
            return
        if self.conn.is_closed():
            self._open = False
            await give_back(self._pool, self.conn)
        else:
            await self._end("ROLLBACK")

    async def _end(self, statement: str) -> str:
        self._open = False
        try:
            answer = await self.conn.execute(statement)
        except BaseException:
            await give_back_unsure(self._pool, self.conn)
            raise
        await give_back(self._pool, self.conn)
        return answer

    async def __aenter__(self) -> "Transaction":
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or getattr(error, "keeps_writes", False):
            await self.commit()
        else:
            await self.rollback()


async def begin(pool: Pool, statement: str) -> Transaction:
    """Take a connection and run `statement` (BEGIN and its SET LOCALs) in one message."""
    conn = await pool.acquire(timeout=10)
    try:
        await conn.execute(statement)
    except BaseException:
        await give_back_unsure(pool, conn)
        raise
    return Transaction(pool, conn)


async def give_back(pool: Pool, conn: Connection) -> None:
    """Return an idle connection to its pool."""
    await pool.release(conn)  # type: ignore[arg-type]  # a proxy from this pool


async def give_back_unsure(pool: Pool, conn: Connection) -> None:
    """Return a connection whose last statement was broken off.

    Whether that statement began or ended a transaction is known only once its answer is in, so
    this does not ask; outside of a transaction a ROLLBACK does nothing.
    """
    try:
        if not conn.is_closed():
            await conn.execute("ROLLBACK")
    finally:
        await give_back(pool, conn)
