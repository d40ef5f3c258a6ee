"""API keys: shown once, kept as a hash, never more than their user."""

import hashlib
import re
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.identity import opaque
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.timing import difference

SCANNER = re.compile(r"\blv_(?:live|test)_[0-9A-Za-z]{60}\b")


async def make(client: httpx.AsyncClient, headers: dict[str, str], **body: Any) -> httpx.Response:
    return await client.post("/v1/api-keys", json={"name": "ci"} | body, headers=headers)


def by(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_sec_api_keys_01_a_key_is_shown_once_and_kept_as_a_hash(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client)
    made = await make(client, headers)
    assert made.status_code == 201, made.text
    key = made.json()["key"]
    assert SCANNER.fullmatch(key)
    assert opaque.checksum(key[:-6]) == key[-6:]
    assert opaque.tenant_of_api_key(key) == acme.id
    row = await admin.fetchrow(
        "SELECT * FROM api_keys WHERE id = $1::text::uuid", made.json()["id"]
    )
    assert row is not None
    assert row["key_hash"] == hashlib.sha256(key.encode()).digest()
    assert key.startswith(row["prefix"])
    assert len(key) - len(row["prefix"]) > 30
    assert key not in str(dict(row))
    listed = (await client.get("/v1/api-keys", headers=headers)).json()["data"]
    assert listed[0]["prefix"] == row["prefix"]
    assert "key" not in listed[0]
    logged = await admin.fetch("SELECT payload FROM events WHERE tenant_id = $1", acme.id)
    assert key not in str(logged)


async def test_a_key_works_wherever_a_bearer_header_does(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    key = (await make(client, await acme.headers(client))).json()["key"]
    me = (await client.get("/v1/auth/me", headers=by(key))).json()
    assert me["id"] == str(acme.people["owner"].id)
    assert me["session"] is None
    assert (await client.get("/v1/users", headers=by(key))).status_code == 200


async def test_a_secret_is_never_given_again(client: httpx.AsyncClient, acme: Organisation) -> None:
    headers = await acme.headers(client) | {"Idempotency-Key": uuid4().hex}
    assert (await make(client, headers)).status_code == 201
    assert (await make(client, headers)).status_code == 409


async def test_a_key_does_what_its_scopes_say_and_no_more(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    key = (await make(client, headers, scopes=["user:read"])).json()["key"]
    assert (await client.get("/v1/users", headers=by(key))).status_code == 200
    assert (await client.get("/v1/auth/me", headers=by(key))).status_code == 403
    answer = await client.post("/v1/users", json={"email": "x@y.example"}, headers=by(key))
    assert answer.status_code == 403


async def test_a_key_loses_what_its_user_loses(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client)
    key = (
        await make(
            client,
            headers,
            user_id=str(acme.people["admin"].id),
            scopes=["user:create", "user:read"],
        )
    ).json()["key"]
    await admin.execute("UPDATE users SET role = 'viewer' WHERE id = $1", acme.people["admin"].id)
    assert (await client.get("/v1/users", headers=by(key))).status_code == 200
    answer = await client.post("/v1/users", json={"email": "x@y.example"}, headers=by(key))
    assert answer.status_code == 403


async def test_a_key_makes_no_keys_unless_that_was_asked_for(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    plain = (await make(client, headers)).json()
    assert not {"api_key:manage", "user:create", "user:update"} & set(plain["scopes"])
    assert (await make(client, by(plain["key"]))).status_code == 403
    minter = (await make(client, headers, scopes=["api_key:manage", "task:read"])).json()["key"]
    assert (await make(client, by(minter), scopes=["task:read"])).status_code == 201
    assert (await make(client, by(minter), scopes=["user:create"])).status_code == 403
    derived = (await make(client, by(minter))).json()
    assert set(derived["scopes"]) <= {"task:read"}
    other = await make(
        client, by(minter), user_id=str(acme.people["admin"].id), scopes=["user:create"]
    )
    assert other.status_code == 403


async def test_nobody_makes_a_key_for_somebody_above(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    headers = await acme.headers(client, "admin")
    above = await make(client, headers, user_id=str(acme.people["owner"].id))
    assert above.status_code == 403
    foreign = await make(client, headers, user_id=str(globex.people["owner"].id))
    assert foreign.status_code == 404
    beyond = await make(
        client, headers, user_id=str(acme.people["viewer"].id), scopes=["project:create"]
    )
    assert beyond.status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": ["everything"]},
        {"expires_at": "2026-01-01T00:00:00Z"},
        {"expires_at": "2027-01-01T00:00:00"},
        {"expires_in_days": 0},
        {"environment": "staging"},
        {"name": ""},
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, acme: Organisation, body: dict[str, Any]
) -> None:
    answer = await make(client, await acme.headers(client), **body)
    assert answer.status_code == 400
    assert answer.json()["details"]["validation_errors"]


async def test_a_key_expires(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    made = (await make(client, await acme.headers(client), expires_in_days=1)).json()
    assert made["expires_at"] == "2026-03-03T12:00:00Z"
    clock.advance(hours=23)
    assert (await client.get("/v1/auth/me", headers=by(made["key"]))).status_code == 200
    clock.advance(hours=1)
    assert (await client.get("/v1/auth/me", headers=by(made["key"]))).status_code == 401


async def test_a_revoked_key_is_refused_at_once(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    headers = await acme.headers(client)
    made = (await make(client, headers)).json()
    path = f"/v1/api-keys/{made['id']}"
    foreign = await client.delete(path, headers=await globex.headers(client))
    assert foreign.status_code == 404
    assert (await client.get("/v1/auth/me", headers=by(made["key"]))).status_code == 200
    assert (await client.delete(path, headers=headers)).status_code == 204
    assert (await client.get("/v1/auth/me", headers=by(made["key"]))).status_code == 401
    listed = (await client.get("/v1/api-keys", headers=headers)).json()["data"]
    assert listed[0]["revoked_at"] is not None


async def test_the_last_use_of_a_key_is_noted(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    made = (await make(client, headers)).json()
    assert made["last_used_at"] is None
    await client.get("/v1/auth/me", headers=by(made["key"]))
    listed = (await client.get("/v1/api-keys", headers=headers)).json()["data"]
    assert listed[0]["last_used_at"] == "2026-03-02T12:00:00Z"


async def test_sec_api_keys_04_a_key_in_the_address_is_not_looked_at(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    key = (await make(client, await acme.headers(client))).json()["key"]
    for name in ("api_key", "key", "token", "access_token"):
        answer = await client.get("/v1/auth/me", params={name: key})
        assert answer.status_code == 401


async def test_sec_api_keys_05_a_wrong_secret_answers_like_an_unknown_prefix(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    real = (await make(client, await acme.headers(client))).json()["key"]
    strange = opaque.new_api_key(UUID(int=0x0190_0000_0000_7000_8000_0000_0000_0001), "test")
    body = real[:36] + "0" * 26
    near = body + opaque.checksum(body)

    async def attempt(key: str) -> None:
        assert (await client.get("/v1/auth/me", headers=by(key))).status_code == 401

    assert await difference(lambda: attempt(near), lambda: attempt(strange)) < 0.1


@pytest.mark.parametrize(
    "key",
    [
        "lv_test_",
        "lv_test_" + "0" * 60,
        "lv_prod_" + "0" * 60,
        "lv_live_" + "z" * 60,
        "lv_test_" + "é" * 60,
    ],
)
async def test_what_is_no_key_is_refused(client: httpx.AsyncClient, key: str) -> None:
    headers = [(b"authorization", f"Bearer {key}".encode("latin-1"))]
    answer = await client.get("/v1/auth/me", headers=headers)  # type: ignore[arg-type]  # raw bytes
    assert answer.status_code == 401


async def test_one_changed_letter_breaks_the_checksum(acme: Organisation) -> None:
    key = opaque.new_api_key(acme.id, "live")
    for place in range(8, len(key)):
        other = "0" if key[place] != "0" else "1"
        assert opaque.tenant_of_api_key(key[:place] + other + key[place + 1 :]) is None


@pytest.mark.parametrize("number", [0, 1, 2**64, 2**128 - 1])
def test_a_token_names_its_tenant(number: int) -> None:
    tenant = UUID(int=number)
    assert opaque.tenant_of_token(opaque.new_token(tenant)) == tenant
    assert opaque.tenant_of_api_key(opaque.new_api_key(tenant, "test")) == tenant
