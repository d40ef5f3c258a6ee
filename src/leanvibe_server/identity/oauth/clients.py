"""Who asks at the token endpoint: reading the form, and knowing the client.

Source: RFC 6749, sections 2.3.1 and 3.2; RFC 9700, section 2.5.
"""

import base64
import binascii
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus
from uuid import UUID

from leanvibe_server.identity import opaque
from leanvibe_server.identity.oauth import repository as rows
from leanvibe_server.identity.oauth.events import OAuthClientRefused
from leanvibe_server.identity.oauth.refusals import invalid_client
from leanvibe_server.identity.oauth.repository import Asking
from leanvibe_server.identity.policy import ADDRESS_NOT_ALLOWED, check_address, policy_from
from leanvibe_server.identity.visits import scope_in
from leanvibe_server.kernel.crypto import hash_token
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.errors import InvalidRequest
from leanvibe_server.kernel.ratelimit import Rate
from leanvibe_server.kernel.request import Visit, network_of
from leanvibe_server.kernel.scope import Actor, Scope

FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 20
# Tokens last an hour: whoever asks more often than this guesses, or should keep its token.
CLIENT_RATE = Rate(per_minute=60, burst=60)
NOTED = Rate(per_minute=1, burst=1)
WRONG = "wrong_secret"
CLOSED = "closed"


@dataclass(frozen=True)
class Client:
    """A client that proved itself, in a scope of its tenant."""

    scope: Scope
    asking: Asking


def read_form(visit: Visit) -> dict[str, str]:
    """The parameters of a request; empty ones count as left out.

    Raises: InvalidRequest: it is no form, or names something twice.
    """
    if visit.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise InvalidRequest(f"Send the parameters as {FORM}.")
    try:
        pairs = parse_qsl(
            visit.body.decode(),
            keep_blank_values=True,
            strict_parsing=bool(visit.body),
            max_num_fields=MAX_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise InvalidRequest("The form cannot be read.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise InvalidRequest("A parameter was sent twice.")
    return {name: value for name, value in form.items() if value}


@asynccontextmanager
async def known_client(visit: Visit, form: Mapping[str, str]) -> AsyncIterator[Client]:
    """The client that asks, in a transaction of its tenant that commits at the end.

    A client that is refused is in its tenant's log, also where its secret was right.

    Raises: InvalidClient: unknown, wrong, closed. Forbidden: its address is not allowed.
        RateLimited: it asks too often.
    """
    client_id, secret = _credentials(visit, form)
    named = opaque.parse_client_id(client_id)
    # A client's id is no secret: whoever only knows that must not use up what it may ask for.
    visit.limit(f"oauth client {client_id[:64]} {network_of(visit.address)}", CLIENT_RATE)
    if named is None:
        raise invalid_client()
    tenant_id, client = named
    async with visit.house.database.tenant(tenant_id) as conn:
        now = visit.house.clock.now()
        asking = await rows.find_client(conn, tenant_id, client, hash_token(secret), now=now)
        refused = _why_not(visit, asking)
        if asking is not None and refused is None:
            yield Client(_scope_of(visit, conn, asking), asking)
            return
        await _note_refused(visit, conn, named, str(refused))
    if asking is not None and refused == ADDRESS_NOT_ALLOWED:
        check_address(policy_from(asking.security), visit.address)
    raise invalid_client()


def _why_not(visit: Visit, asking: Asking | None) -> str | None:
    if asking is None:
        return WRONG
    if not asking.holds(visit.house.clock.now()):
        return CLOSED
    allowed = policy_from(asking.security).allows(visit.address)
    return None if allowed else ADDRESS_NOT_ALLOWED


def _scope_of(visit: Visit, conn: Connection, asking: Asking) -> Scope:
    actor = Actor(
        kind="oauth_client",
        id=asking.user_id,
        label=f"{asking.username} (client)",
        role=asking.role,
        address=visit.address,
        user_agent=visit.user_agent,
    )
    return scope_in(visit, conn, asking.tenant_id, actor=actor, plan=asking.plan)


async def _note_refused(
    visit: Visit, conn: Connection, named: tuple[UUID, UUID], reason: str
) -> None:
    """Write down that somebody was refused who named a client of the tenant, but never at the pace
    of whoever guesses."""
    tenant_id, client_id = named
    account_id = await rows.find_account_of(conn, tenant_id, client_id)
    key = f"refused client {client_id} {reason} {network_of(visit.address)}"
    now_s = visit.house.clock.now().timestamp()
    if account_id is None or not visit.house.limiter.take(key, NOTED, now_s).allowed:
        return
    await scope_in(visit, conn, tenant_id).emit(
        OAuthClientRefused(client_id=client_id, user_id=account_id, reason=reason)
    )


def _credentials(visit: Visit, form: Mapping[str, str]) -> tuple[str, str]:
    """Id and secret, from the header or from the form, but not from both."""
    scheme, _, encoded = visit.headers.get("authorization", "").partition(" ")
    if "client_assertion" in form and (scheme or "client_secret" in form):
        raise InvalidRequest("Show the client in one way: by its secret alone.")
    if scheme.lower() == "basic":
        if "client_secret" in form:
            raise InvalidRequest("Send the client's secret once: in the header or in the form.")
        client_id, secret = _basic(encoded.strip())
        if form.get("client_id", client_id) != client_id:
            raise InvalidRequest("The header and the form name two clients.")
        return client_id, secret
    if scheme:
        raise invalid_client()
    if "client_id" not in form or "client_secret" not in form:
        raise invalid_client()
    return form["client_id"], form["client_secret"]


def _basic(encoded: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        raise invalid_client() from None
    client_id, colon, secret = text.partition(":")
    if not colon:
        raise invalid_client()
    return unquote_plus(client_id), unquote_plus(secret)
