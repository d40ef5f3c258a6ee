"""The applications under load. Each runs in a process of its own, served as the product is."""

import os
import sys
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg
import msgspec
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from leanvibe_server import app as product
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.crypto import load_vault
from leanvibe_server.kernel.db import Database
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.middleware import Doorman
from leanvibe_server.projects.repository import FIND

EMPTY = b"{}"


async def floor(settings: Settings) -> ASGIApp:
    """The least an application can do for GET /v1/projects/{id}: no router, no credentials.

    It uses the product's pool and the product's statement in the product's kind of transaction,
    and prints the same JSON. It is told at its start which tenant a project belongs to.
    """
    database = await Database.open(settings, load_vault(settings))
    owner = await asyncpg.connect(settings.database_url)
    tenants = {row[0]: row[1] for row in await owner.fetch("SELECT id, tenant_id FROM projects")}
    await owner.close()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        project_id = UUID(scope["path"].rpartition("/")[2])
        tenant_id = tenants[project_id]
        transaction = await database.begin_tenant(tenant_id)
        row = await transaction.conn.fetchrow(FIND, tenant_id, project_id)
        await transaction.commit()
        assert row is not None
        body = msgspec.json.encode(
            {
                "id": row["id"],
                "name": row["name"],
                "description": row["description"],
                "tech_stack": row["tech_stack"],
                "repository_url": row["repository_url"],
                "hosted": row["hosted"],
                "default_branch": row["default_branch"],
                "ai_assistance_level": row["ai_assistance_level"],
                "configuration": row["configuration"],
                "has_credentials": row["credentials_sealed"] is not None,
                "is_default": row["is_default"],
                "created_at": row["created_at"],
                "updated_at": row["updated_at"],
            }
        )
        await _send(send, body)

    return answer


async def bare(settings: Settings) -> ASGIApp:
    """An application that does nothing."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await _send(send, EMPTY)

    return answer


async def doorman(settings: Settings) -> ASGIApp:
    """The application that does nothing, behind the product's middleware."""
    vault = load_vault(settings)
    house = House(settings, await Database.open(settings, vault), vault)
    return Doorman(await bare(settings), house)


async def _send(send: Send, body: bytes) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


APPS: dict[str, Callable[[Settings], Awaitable[ASGIApp]]] = {
    "floor": floor,
    "bare": bare,
    "doorman": doorman,
}


async def serve(name: str, settings: Settings) -> None:
    """Answer requests until a signal asks to stop."""
    if name == "product":
        await product.serve(settings)
    else:
        await product.server(await APPS[name](settings), settings).serve()


def main() -> None:
    uvloop.run(serve(sys.argv[1], Settings.from_env(os.environ)))


if __name__ == "__main__":
    main()
