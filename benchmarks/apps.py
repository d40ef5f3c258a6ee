"""The applications under load. Each runs in a process of its own, served as the product is."""

import base64
import json
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.residents import PASSWORD
from leanvibe_server import app as product
from leanvibe_server.identity import addresses, keys, opaque, tokens
from leanvibe_server.identity.models import PASSWORD as PASSWORD_PROOF
from leanvibe_server.identity.models import RefreshToken, Session, User
from leanvibe_server.identity.passwords import PasswordDesk
from leanvibe_server.identity.refresh import successor_of
from leanvibe_server.identity.repository import people, sessions
from leanvibe_server.identity.repository.gate import BY_SESSION
from leanvibe_server.identity.sessions import LIMITS, TOKEN
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.crypto import hash_token, load_vault
from leanvibe_server.kernel.db import Connection, Database
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.ids import new_id
from leanvibe_server.kernel.log import configure_logging
from leanvibe_server.kernel.middleware import Doorman
from leanvibe_server.kernel.platform import Reason, autocommit
from leanvibe_server.projects.repository import FIND

EMPTY = b"{}"


async def floor(settings: Settings) -> ASGIApp:
    """The least an application can do for GET /v1/projects/{id}: no router, no credentials.

    It uses the product's pool and the product's statement in the product's kind of transaction,
    and prints the same JSON. It is told at its start which tenant a project belongs to.
    """
    return await _floor(settings, _look_at_nobody)


async def floor_with_lookup(settings: Settings) -> ASGIApp:
    """The floor with all of the product's statements: it also reads whether the caller's session
    still holds. It believes every token, and remembers what one says."""
    said: dict[bytes, tuple[UUID, UUID]] = {}

    async def look(conn: Connection, tenant_id: UUID, scope: Scope) -> None:
        token = dict(scope["headers"])[b"authorization"]
        if token not in said:
            said[token] = _claims(token)
        await conn.fetchrow(BY_SESSION, tenant_id, *said[token])

    return await _floor(settings, look)


async def _look_at_nobody(conn: Connection, tenant_id: UUID, scope: Scope) -> None:
    return None


def _claims(token: bytes) -> tuple[UUID, UUID]:
    payload = token.split(b".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
    return UUID(claims["sid"]), UUID(claims["sub"])


async def _floor(
    settings: Settings, look: Callable[[Connection, UUID, Scope], Awaitable[None]]
) -> ASGIApp:
    database = await Database.open(settings, load_vault(settings))
    owner = await asyncpg.connect(settings.database_url)
    tenants = {row[0]: row[1] for row in await owner.fetch("SELECT id, tenant_id FROM projects")}
    await owner.close()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        project_id = UUID(scope["path"].rpartition("/")[2])
        tenant_id = tenants[project_id]
        transaction = await database.begin_tenant(tenant_id)
        await look(transaction.conn, tenant_id, scope)
        row = await transaction.conn.fetchrow(FIND, tenant_id, project_id)
        await transaction.commit()
        await _send(send, _print(row))

    return answer


def _print(row: Any) -> bytes:
    return msgspec.json.encode(
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
            "visibility": row["visibility"],
            "created_at": row["created_at"],
            "updated_at": row["updated_at"],
        }
    )


async def comparer(settings: Settings) -> ASGIApp:
    """An application that compares one password with one hash for each request, as the product
    does, and does nothing else."""
    desk = PasswordDesk()
    kept = await desk.hash(PASSWORD)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if not await desk.verify(kept, PASSWORD):
            raise RuntimeError("the password must fit")
        await _send(send, EMPTY)

    return answer


async def login_floor(settings: Settings) -> ASGIApp:
    """The least an application can do for a login: it looks an address up, compares the password,
    keeps the session in one transaction and signs one token. It has no router and no throttle,
    asks for no policy and no second factor, and writes nothing down for an audit."""
    configure_logging(settings)
    vault = load_vault(settings)
    house = House(settings, await Database.open(settings, vault), vault)
    await keys.load(house)
    desk = PasswordDesk()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        said = json.loads((await receive())["body"])
        await _send(send, await _log_in(house, desk, said["email"], said["password"]))

    return answer


async def _log_in(house: House, desk: PasswordDesk, email: str, password: str) -> bytes:
    digest = addresses.directory_hash(house.vault, email)
    async with autocommit(house.database, Reason.SIGN_IN) as conn:
        (found,) = await people.list_candidates(conn, digest, limit=1)
    user, now = found.user, house.clock.now()
    if not await desk.verify(user.password_hash, password):
        raise RuntimeError("the password must fit")
    secret, session = opaque.new_token(user.tenant_id), _session_of(user, now)
    async with house.database.tenant(user.tenant_id) as conn:
        await sessions.open_session(
            conn,
            session,
            cookie_hash=None,
            token=_next_token(session.id, now),
            token_hash=hash_token(secret),
            device_mark=b"",
            limit=1000,
        )
    access = tokens.mint(
        house, user_id=user.id, tenant_id=user.tenant_id, session_id=session.id, role=user.role
    )
    return msgspec.json.encode({"access_token": access, "refresh_token": f"lr_{secret}"})


def _session_of(user: User, now: datetime) -> Session:
    return Session(
        tenant_id=user.tenant_id,
        id=new_id(now),
        user_id=user.id,
        kind=TOKEN,
        address=None,
        user_agent=None,
        created_at=now,
        last_seen_at=now,
        expires_at=now + LIMITS[TOKEN].absolute,
        ended_at=None,
        ended_reason=None,
        amr=list(PASSWORD_PROOF.amr),
        authenticated_at=now,
        provider_id=None,
        remote_session=None,
    )


def _next_token(session_id: UUID, now: datetime) -> RefreshToken:
    return RefreshToken(
        id=new_id(now), session_id=session_id, client_hash=b"", created_at=now, used_at=None
    )


async def renewal_floor(settings: Settings) -> ASGIApp:
    """The least an application can do to renew a session: the product's statements in one
    transaction, and one token signed. It believes every refresh token."""
    vault = load_vault(settings)
    house = House(settings, await Database.open(settings, vault), vault)
    await keys.load(house)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        secret = json.loads(message["body"])["refresh_token"].removeprefix("lr_")
        await _send(send, await _renew(house, secret))

    return answer


async def _renew(house: House, secret: str) -> bytes:
    tenant_id = opaque.tenant_of_token(secret)
    if tenant_id is None:
        raise RuntimeError("no refresh token")
    now, successor = house.clock.now(), successor_of(house.vault, secret)
    async with house.database.tenant(tenant_id) as conn:
        token = await sessions.lock_refresh_token(conn, tenant_id, hash_token(secret))
        if token is None:
            raise RuntimeError("an unknown refresh token")
        session = await sessions.find_session(conn, tenant_id, token.session_id)
        if session is None:
            raise RuntimeError("no session")
        user = await people.find_user(conn, tenant_id, session.user_id)
        if user is None:
            raise RuntimeError("no user")
        await sessions.use_refresh_token(conn, tenant_id, token.id, client_hash=b"", now=now)
        await sessions.insert_refresh_token(
            conn, tenant_id, _next_token(session.id, now), token_hash=hash_token(successor)
        )
        await sessions.see_session(conn, tenant_id, session.id, now=now)
    access = tokens.mint(
        house, user_id=user.id, tenant_id=tenant_id, session_id=session.id, role=user.role
    )
    return msgspec.json.encode({"access_token": access, "refresh_token": f"lr_{successor}"})


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
    "floor_with_lookup": floor_with_lookup,
    "comparer": comparer,
    "login_floor": login_floor,
    "renewal_floor": renewal_floor,
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
