"""What every migration is written with: plain SQL, and row-level security in one form."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import op
from sqlalchemy.util import await_only

from leanvibe_server.kernel.db import Login, role_name


def run(sql: str) -> None:
    """Run statements in the migration's transaction; {app}, {platform}, {worker} name the roles."""
    connection = op.get_bind()
    connection.exec_driver_sql("SELECT 1")
    raw: Any = connection.connection.dbapi_connection
    await_only(raw.driver_connection.execute(sql.format(**_roles())))


@contextmanager
def every_row(*tables: str) -> Iterator[None]:
    """Let the migration see and change the rows of all tenants, in its own transaction: the owner
    is no superuser on a managed server, and forced policies hide every row from it."""
    for table in tables:
        run(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    yield
    for table in tables:
        run(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def isolate(table: str, *, column: str = "tenant_id") -> None:
    """Show each tenant its own rows of `table` only; the platform login sees all, by policy."""
    bound = f"{column} = current_setting('app.tenant_id')::uuid"
    run(
        f"""
        ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
        ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant_rows ON {table} TO {{app}} USING ({bound}) WITH CHECK ({bound});
        CREATE POLICY platform_rows ON {table} TO {{platform}} USING (true) WITH CHECK (true);
        """
    )


def show(table: str) -> None:
    """Show each tenant its own rows of `table` only, which the platform login alone writes."""
    run(
        f"""
        ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
        ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant_rows ON {table} FOR SELECT TO {{app}}
            USING (tenant_id = current_setting('app.tenant_id')::uuid);
        CREATE POLICY platform_rows ON {table} TO {{platform}} USING (true) WITH CHECK (true);
        """
    )


def grant(table: str, rights: str, *logins: Login) -> None:
    """Let the named logins do `rights` (such as 'SELECT, INSERT') on a table."""
    names = ", ".join(f"{{{login}}}" for login in logins)
    run(f"GRANT {rights} ON {table} TO {names}")


def _roles() -> dict[str, str]:
    database = op.get_bind().exec_driver_sql("SELECT current_database()").scalar_one()
    logins: tuple[Login, ...] = ("app", "platform", "worker")
    return {login: f'"{role_name(database, login)}"' for login in logins}
