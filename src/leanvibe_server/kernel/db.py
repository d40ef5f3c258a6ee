"""The database: pools for the logins of the house, and transactions with a tenant bound."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg

from leanvibe_server.kernel.config import ConfigError, Settings
from leanvibe_server.kernel.crypto import Vault
from leanvibe_server.kernel.errors import ServiceUnavailable
from leanvibe_server.kernel.log import logger, speak_of_elsewhere
from leanvibe_server.kernel.pulse import ANSWERS_WITHIN_S, UNREACHABLE, Pulse
from leanvibe_server.kernel.regions import Whereabouts

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


CLOSES_WITHIN_S = 10.0

# NULL stands for the very database the directory is in: the home region.
REGION_OF = "SELECT coalesce(region, $2) FROM tenant_directory WHERE tenant_id = $1"


@dataclass(frozen=True)
class RegionPools:
    """The connections of one process to the database of one region."""

    app: Pool
    platform: Pool
    # Behind a pooler, which lends a server's connection for one transaction.
    pooled: bool = False
    # None at home, without which there is nothing to do meanwhile.
    pulse: Pulse | None = None

    async def begin(self, pool: Pool, statement: str) -> "Transaction":
        """Start a transaction. Raises: RegionUnreachable: another region does not answer."""
        if self.pulse is None:
            return await begin(pool, statement)
        with self.pulse.felt(lambda: is_busy(pool)):
            return await begin(pool, statement, timeout_s=ANSWERS_WITHIN_S)

    @asynccontextmanager
    async def lend(self, pool: Pool) -> AsyncIterator[Connection]:
        """A connection on which each statement is a transaction of its own; one of another region
        for a few seconds.

        Raises: RegionUnreachable: another region does not answer.
        """
        if self.pulse is None:
            async with pool.acquire(timeout=10) as conn:
                yield conn
            return
        with self.pulse.felt(lambda: is_busy(pool)):
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                conn = await pool.acquire()
                try:
                    yield conn
                except BaseException:
                    # Whether it would ever answer is not worth waiting for.
                    conn.terminate()
                    raise
                finally:
                    await give_back(pool, conn)

    async def close(self) -> None:
        """Take leave of the server; of one that does not answer, without."""
        for pool in (self.app, self.platform):
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSES_WITHIN_S):
                    await pool.close()


class Database:
    """The pools of one process: a pair for each region, and the way to a tenant's own."""

    def __init__(self, home: str, pools: dict[str, RegionPools]) -> None:
        self.home = home
        self._pools = pools
        self._at_home = pools[home]
        self._whereabouts = Whereabouts(home, self._ask_directory) if len(pools) > 1 else None

    @classmethod
    async def open(cls, settings: Settings, vault: Vault) -> "Database":
        """Connect as app and as platform. The worker's queue has a connection of its own.

        The home region must answer; another one is connected to when it is first needed.
        """
        pools = {region: await _open_region(settings, region, vault) for region in settings.regions}
        database = cls(settings.home_region, pools)
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
        async with self._at_home.app.acquire() as conn:
            await refuse_privileges(conn)
        for region in self.regions[1:]:
            try:
                async with self._pools[region].app.acquire(timeout=5) as conn:
                    await refuse_privileges(conn)
            except UNREACHABLE as error:
                logger("database").warning("region unreachable", region=region, error=repr(error))

    async def close(self) -> None:
        for pools in self._pools.values():
            await pools.close()

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that have a database, the home region first."""
        return (self.home, *(region for region in self._pools if region != self.home))

    async def region_of(self, tenant_id: UUID) -> str:
        """The region a tenant's rows live in."""
        if self._whereabouts is None:
            return self.home
        return await self._whereabouts.region_of(tenant_id)

    def known_region_of(self, tenant_id: UUID) -> str:
        """The region of a tenant that this process has just worked for.

        Raises: LookupError: it has not. A guess would put files where they must not be.
        """
        if self._whereabouts is None:
            return self.home
        region = self._whereabouts.recall(tenant_id)
        if region is None:
            raise LookupError(f"the region of tenant {tenant_id} is not known here")
        return region

    def learn(self, tenant_id: UUID, region: str) -> None:
        """Note where a tenant that is being made will live."""
        if self._whereabouts is not None:
            self._whereabouts.note(tenant_id, region)

    async def begin_tenant(self, tenant_id: UUID) -> "Transaction":
        """Start a transaction in which exactly this tenant's rows exist, in its region."""
        pools = self._at_home if self._whereabouts is None else await self._pools_of(tenant_id)
        return await pools.begin(
            pools.app, f"BEGIN; SET LOCAL app.tenant_id = '{UUID(str(tenant_id))}'"
        )

    async def begin_platform(self, tenant_id: UUID, region: str | None = None) -> "Transaction":
        """Start a transaction of the platform login in the tenant's region, or in the one named.

        Called by `kernel.platform` only, which asks for a reason.
        """
        pools = await self._pools_of(tenant_id) if region is None else self.pools_in(region)
        return await pools.begin(
            pools.platform, f"BEGIN; SET LOCAL app.tenant_id = '{UUID(str(tenant_id))}'"
        )

    @asynccontextmanager
    async def tenant(self, tenant_id: UUID) -> AsyncIterator[Connection]:
        """A transaction for one tenant that commits at the end of the block."""
        transaction = await self.begin_tenant(tenant_id)
        async with transaction:
            yield transaction.conn

    async def check(self, region: str | None = None) -> None:
        """Ask a region's database for a sign of life, the home region's unless named."""
        await self.pools_in(region or self.home).app.execute("SELECT 1", timeout=2)

    def is_exhausted(self, region: str) -> bool:
        """Whether every connection for requests to a region's database is lent out."""
        return is_busy(self.pools_in(region).app)

    def pools_in(self, region: str) -> RegionPools:
        """The pools of a region.

        Raises: ServiceUnavailable: it has no database here any more.
        """
        pools = self._pools.get(region)
        if pools is None:
            raise ServiceUnavailable(
                f"The region {region} of this tenant is not connected. Its operator must set "
                f"DATABASE_URL_{region.upper()}."
            )
        if region != self.home:
            speak_of_elsewhere()
        return pools

    async def _pools_of(self, tenant_id: UUID) -> RegionPools:
        return self.pools_in(await self.region_of(tenant_id))

    async def _ask_directory(self, tenant_id: UUID) -> str | None:
        async with self._at_home.platform.acquire(timeout=10) as conn, conn.transaction():
            region: str | None = await conn.fetchval(REGION_OF, tenant_id, self.home)
        return region


async def refuse_privileges(connection: Any) -> None:
    """Raises: ConfigError: this login could go around row-level security."""
    async with connection.transaction():
        roles = await connection.fetch(PRIVILEGES)
    for role in roles:
        raise ConfigError(
            f"The database login {role['login']} could go around row-level security "
            f"({role['why']}). Run `leanvibe-server migrate`, and take those rights away."
        )


async def _prepare_guarded(connection: Any) -> None:
    """As `prepare_connection`, for a region that may not have answered at the start."""
    await refuse_privileges(connection)
    await prepare_connection(connection)


async def _open_region(settings: Settings, region: str, vault: Vault) -> RegionPools:
    url, at_home = settings.database_of(region), region == settings.home_region
    pooled = settings.direct_database_of(region) != url
    size = settings.database_pool_size
    app = await _open_pool(
        login_dsn(url, "app", vault), size, pooled=pooled, eager=at_home,
        init=prepare_connection if at_home else _prepare_guarded,
    )  # fmt: skip
    platform = await _open_pool(
        login_dsn(url, "platform", vault), max(2, size // 2), pooled=pooled, eager=at_home,
        init=prepare_connection,
    )  # fmt: skip
    return RegionPools(app, platform, pooled, None if at_home else Pulse())


async def _open_pool(
    dsn: str,
    size: int,
    *,
    pooled: bool,
    eager: bool,
    init: Callable[[Any], Coroutine[Any, Any, None]],
) -> Pool:
    """Connections to the server, or to a pooler in transaction mode, where a statement that was
    prepared in one transaction is unknown to the next. `eager` connects at once."""
    pool: Pool = await asyncpg.create_pool(
        dsn,
        min_size=1 if eager else 0,
        max_size=size,
        command_timeout=60,
        timeout=10,
        statement_cache_size=0 if pooled else 100,
        connection_class=HouseConnection,
        init=init,
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


def is_busy(pool: Pool) -> bool:
    """Whether every connection is lent out."""
    return pool.get_idle_size() == 0 and pool.get_size() == pool.get_max_size()


async def begin(pool: Pool, statement: str, *, timeout_s: float | None = None) -> Transaction:
    """Take a connection and run `statement` (BEGIN and its SET LOCALs) in one message.

    `timeout_s` bounds each of the two; a connection that is silent for so long is given up.
    """
    conn = await pool.acquire(timeout=timeout_s or 10)
    try:
        await conn.execute(statement, timeout=timeout_s)
    except TimeoutError:
        conn.terminate()
        await give_back(pool, conn)
        raise
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
