"""People with second factors, for tests."""

import re
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pyotp

from leanvibe_server.identity.mfa import repository
from leanvibe_server.identity.mfa.models import Factor
from leanvibe_server.kernel.scope import SYSTEM, Scope
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_mail import letters_to
from tests.identity.given_sessions import (
    bearer,
    sign_in,
)


def totp_code(secret: str, clock: FakeClock, *, steps: int = 0) -> str:
    """What the app shows now, or some half minutes from now."""
    return pyotp.HOTP(secret).at(int(clock.now().timestamp()) // 30 + steps)


async def pending_factor(organisation: Organisation) -> UUID:
    """A factor of the owner that was never confirmed, so that no sign-in asks for it."""
    house = organisation.house
    async with house.database.tenant(organisation.id) as conn:
        scope = Scope(conn, organisation.id, SYSTEM, house.clock, house)
        factor = Factor(
            tenant_id=organisation.id,
            id=scope.new_id(),
            user_id=organisation.people["owner"].id,
            method="totp",
            label="App",
            secret_sealed=None,
            created_at=scope.now,
            expires_at=scope.now,
        )
        await repository.insert_pending(conn, factor)
    return factor.id


async def post(
    client: httpx.AsyncClient, path: str, headers: dict[str, str] | None = None, **body: Any
) -> httpx.Response:
    return await client.post(f"/v1{path}", json=body, headers=headers or {})


async def enrol(
    client: httpx.AsyncClient, organisation: Organisation, clock: FakeClock, role: str = "owner"
) -> dict[str, Any]:
    """Give the person of a role an authenticator app; what the set-up answered, and their tokens.

    The clock moves on to the next code.
    """
    tokens = await sign_in(client, organisation, role)
    begun = await post(client, "/auth/mfa/setup", bearer(tokens), method="totp")
    assert begun.status_code == 200, begun.text
    code = totp_code(begun.json()["secret"], clock)
    done = await post(client, "/auth/mfa/verify", bearer(tokens), code=code, method="totp")
    assert done.status_code == 200, done.text
    clock.advance(seconds=60)
    return {**begun.json(), **tokens}


async def knock(
    client: httpx.AsyncClient, organisation: Organisation, role: str = "owner", **more: Any
) -> httpx.Response:
    """Try to sign in as the person of a role."""
    person = organisation.people[role]
    return await post(client, "/auth/login", email=person.email, password=person.password, **more)


async def begin(
    client: httpx.AsyncClient, organisation: Organisation, role: str = "owner"
) -> dict[str, Any]:
    """Begin to sign in; what the refusal says of the second factor."""
    answer = await knock(client, organisation, role)
    assert (answer.status_code, answer.json()["error"]) == (401, "mfa_required"), answer.text
    return dict(answer.json()["details"])


async def code_mailed_to(admin: asyncpg.Connection, address: str) -> str:
    for subject, text in reversed(await letters_to(admin, address)):
        if subject == "Your LeanVibe code":
            return re.findall(r"\b[0-9]{6}\b", text)[0]
    raise AssertionError("no code was mailed")


async def add_email(
    client: httpx.AsyncClient, admin: asyncpg.Connection, organisation: Organisation, role: str
) -> None:
    tokens = await sign_in(client, organisation, role)
    begun = await post(client, "/auth/mfa/setup", bearer(tokens), method="email")
    assert begun.status_code == 200, begun.text
    code = await code_mailed_to(admin, organisation.people[role].email)
    done = await post(client, "/auth/mfa/verify", bearer(tokens), method="email", code=code)
    assert done.status_code == 200, done.text
