"""API keys: shown once, kept as a hash, never more than their user."""

import hashlib
import re
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.identity import opaque
from leanvibe_server.kernel.ratelimit import ANONYMOUS
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
    assert "Use a key with that scope" in answer.json()["message"]


@pytest.mark.parametrize("path", ["mfa/setup", "email/change", "password/change", "logout-all"])
async def test_a_key_is_not_asked_to_prove_that_a_person_is_there(
    client: httpx.AsyncClient, acme: Organisation, path: str
) -> None:
    key = (await make(client, await acme.headers(client), scopes=["self"])).json()["key"]
    body = {
        "method": "totp", "new_email": "new@a.example", "current_password": "x",
        "new_password": "orange falcon tulip 7",
    }  # fmt: skip
    refused = await client.post(f"/v1/auth/{path}", json=body, headers=by(key))
    assert refused.status_code == 403
    assert "an API key cannot" in refused.json()["message"]
    assert "reason" not in refused.json()["details"]


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
        {"name": " \u202e\n"},
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


@pytest.mark.parametrize("name", ["api_key", "key", "token", "access_token", "anything"])
async def test_sec_api_keys_04_a_key_in_the_address_is_refused_and_not_logged(
    name: str,
    client: httpx.AsyncClient,
    acme: Organisation,
    capsys: pytest.CaptureFixture[str],
) -> None:
    headers = await acme.headers(client)
    key = (await make(client, headers)).json()["key"]
    for path in ("/v1/auth/me", "/v1/projects", "/", "/nowhere", f"/v1/projects/{key}"):
        for shown in ({}, headers, by(key)):
            answer = await client.get(path, params={name: key}, headers=shown)
            assert answer.status_code == 400, path
            assert "Authorization: Bearer" in answer.json()["message"]
            assert key not in answer.text
    assert (await client.get(f"/v1/auth/me?{name}={key.replace('_', '%5F')}")).status_code == 400
    assert key not in capsys.readouterr().err


async def test_an_access_token_in_the_address_is_refused_too(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    token = await acme.token(client)
    answer = await client.get("/v1/auth/me", params={"access_token": token})
    assert answer.status_code == 400


async def rotate(
    client: httpx.AsyncClient, headers: dict[str, str], key_id: str, **body: Any
) -> httpx.Response:
    return await client.post(f"/v1/api-keys/{key_id}/rotate", json=body, headers=headers)


async def test_a_rotated_key_holds_until_the_overlap_is_over(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    headers = await acme.headers(client)
    old = (await make(client, headers, scopes=["self", "task:read"], expires_in_days=30)).json()
    clock.advance(days=1)
    headers = await acme.headers(client)
    new = (await rotate(client, headers, old["id"], overlap_hours=2)).json()
    assert new["replaces"] == old["id"]
    assert (new["scopes"], new["name"]) == (old["scopes"], old["name"])
    assert new["expires_at"] == "2026-04-02T12:00:00Z"
    for key in (old, new):
        assert (await client.get("/v1/auth/me", headers=by(key["key"]))).status_code == 200
    clock.advance(hours=2)
    assert (await client.get("/v1/auth/me", headers=by(old["key"]))).status_code == 401
    assert (await client.get("/v1/auth/me", headers=by(new["key"]))).status_code == 200


async def test_a_rotation_without_overlap_ends_the_old_key_at_once(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    old = (await make(client, headers)).json()
    new = (await rotate(client, headers, old["id"], overlap_hours=0)).json()
    assert (await client.get("/v1/auth/me", headers=by(old["key"]))).status_code == 401
    assert (await client.get("/v1/auth/me", headers=by(new["key"]))).status_code == 200
    assert (await rotate(client, headers, old["id"])).status_code == 409


async def test_an_overlap_lengthens_no_key_s_life(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    old = (await make(client, headers, expires_in_days=1)).json()
    assert (await rotate(client, headers, old["id"], overlap_hours=48)).status_code == 201
    listed = (await client.get("/v1/api-keys", headers=headers)).json()["data"]
    assert listed[0]["expires_at"] == old["expires_at"]
    assert (await rotate(client, headers, old["id"])).status_code == 409


async def test_a_key_whose_successor_was_ended_gets_another_of_the_same_life(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    endless = (await make(client, headers)).json()
    first = (await rotate(client, headers, endless["id"])).json()
    assert first["expires_at"] is None
    await client.delete(f"/v1/api-keys/{first['id']}", headers=headers)
    second = await rotate(client, headers, endless["id"])
    assert (second.status_code, second.json()["expires_at"]) == (201, None)


async def test_nobody_rotates_a_key_that_may_do_more_than_they(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    headers = await acme.headers(client)
    strong = (await make(client, headers, scopes=["tenant:delete", "self"])).json()
    admin = await acme.headers(client, "admin")
    assert (await rotate(client, admin, strong["id"])).status_code == 403
    minter = (await make(client, headers, scopes=["api_key:manage"])).json()["key"]
    reader = (await make(client, headers, scopes=["task:read"])).json()
    assert (await rotate(client, by(minter), reader["id"])).status_code == 403
    foreign = await rotate(client, await globex.headers(client), reader["id"])
    assert foreign.status_code == 404


async def test_nobody_revokes_a_key_of_somebody_above(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner, admin = await acme.headers(client), await acme.headers(client, "admin")
    above = (await make(client, owner)).json()
    assert (await client.delete(f"/v1/api-keys/{above['id']}", headers=admin)).status_code == 403
    assert (await client.get("/v1/auth/me", headers=by(above["key"]))).status_code == 200
    below = (await make(client, admin)).json()
    assert (await client.delete(f"/v1/api-keys/{below['id']}", headers=owner)).status_code == 204
    assert (await client.get("/v1/auth/me", headers=by(below["key"]))).status_code == 401


async def test_a_key_that_is_ended_twice_is_told_of_once(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client)
    made = (await make(client, headers)).json()
    for _ in range(2):
        answer = await client.delete(f"/v1/api-keys/{made['id']}", headers=headers)
        assert answer.status_code == 204
    told = "SELECT count(*) FROM events WHERE tenant_id = $1 AND name = 'api_key.revoked'"
    assert await admin.fetchval(told, acme.id) == 1


async def test_a_key_ends_itself(client: httpx.AsyncClient, acme: Organisation) -> None:
    headers = await acme.headers(client)
    made = (await make(client, headers, scopes=["api_key:manage"])).json()
    mine = by(made["key"])
    assert (await client.delete(f"/v1/api-keys/{made['id']}", headers=mine)).status_code == 204
    assert (await client.get("/v1/api-keys", headers=mine)).status_code == 401


async def test_a_key_s_own_rate_holds_and_is_never_above_the_plan_s(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    assert (await make(client, headers, rate_limit_per_minute=10_001)).status_code == 400
    key = (await make(client, headers, rate_limit_per_minute=2)).json()["key"]
    answers = [await client.get("/v1/auth/me", headers=by(key)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["x-ratelimit-limit"] == "2"
    assert "retry-after" in answers[2].headers
    assert (await client.get("/v1/auth/me", headers=headers)).status_code == 200


async def test_a_key_works_from_its_addresses_only(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    near = (await make(client, headers, allowed_addresses=["127.0.0.0/8"])).json()
    far = (await make(client, headers, allowed_addresses=["203.0.113.7"])).json()
    assert far["allowed_addresses"] == ["203.0.113.7/32"]
    assert (await client.get("/v1/auth/me", headers=by(near["key"]))).status_code == 200
    refused = await client.get("/v1/auth/me", headers=by(far["key"]))
    assert refused.status_code == 403
    assert refused.json()["details"]["reason"] == "address_not_allowed"
    assert (await make(client, headers, allowed_addresses=["here"])).status_code == 400
    listed = (await client.get("/v1/api-keys", headers=headers)).json()["data"]
    assert listed[0]["last_used_address"] == "127.0.0.1"
    assert listed[1]["last_used_address"] is None


async def test_sec_rate_limit_dos_05_a_stolen_key_used_from_elsewhere_is_slowed_down(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    made = await make(client, headers, name="far", allowed_addresses=["203.0.113.0/24"])
    key = by(made.json()["key"])
    answers = [
        (await client.get("/v1/projects", headers=key)).status_code
        for _ in range(ANONYMOUS.burst + 5)
    ]
    assert answers[0] == 403
    assert answers[-1] == 429
    assert (await client.get("/v1/projects", headers=headers)).status_code == 200


async def test_keys_are_listed_by_user_state_and_prefix(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    headers = await acme.headers(client)
    short = (await make(client, headers, expires_in_days=1)).json()
    gone = (await make(client, headers)).json()
    kept = (await make(client, headers, user_id=str(acme.people["viewer"].id))).json()
    await client.delete(f"/v1/api-keys/{gone['id']}", headers=headers)
    clock.advance(days=2)
    headers = await acme.headers(client)

    async def ids(**query: str) -> list[str]:
        answer = await client.get("/v1/api-keys", params=query, headers=headers)
        return [key["id"] for key in answer.json()["data"]]

    assert await ids(status="expired") == [short["id"]]
    assert await ids(status="revoked") == [gone["id"]]
    assert await ids(status="active") == [kept["id"]]
    assert await ids(user_id=str(acme.people["viewer"].id)) == [kept["id"]]
    assert await ids(prefix=gone["prefix"]) == [gone["id"]]
    assert await ids(user_id=str(uuid4())) == []
    wrong = await client.get("/v1/api-keys", params={"status": "old"}, headers=headers)
    assert wrong.status_code == 400


async def test_sec_api_keys_05_a_wrong_secret_answers_like_an_unknown_prefix(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    real = (await make(client, await acme.headers(client))).json()["key"]
    strange = opaque.new_api_key(UUID(int=0x0190_0000_0000_7000_8000_0000_0000_0001), "test")
    body = real[:36] + "0" * 26
    near = body + opaque.checksum(body)

    async def attempt(key: str) -> None:
        assert (await client.get("/v1/auth/me", headers=by(key))).status_code == 401

    near_and_strange = (lambda: attempt(near), lambda: attempt(strange))
    assert await difference(*near_and_strange, rounds=8, calls=8) < 0.1


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
