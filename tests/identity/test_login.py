"""Signing in with e-mail and password."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest
from argon2 import PasswordHasher

from leanvibe_server.identity import tokens
from leanvibe_server.identity.passwords import PasswordDesk, desk_of
from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation
from tests.identity.given_people import add_person
from tests.identity.timing import difference


async def login(client: httpx.AsyncClient, email: str, password: str, **more: Any) -> Any:
    return await client.post("/v1/auth/login", json={"email": email, "password": password, **more})


def told(answer: httpx.Response) -> dict[str, Any]:
    """What an answer says, without what differs each time."""
    body: dict[str, Any] = answer.json()
    return {name: body[name] for name in body if name not in ("request_id", "timestamp")}


async def test_the_right_password_opens_a_session_as_printed(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = acme.people["owner"]
    answer = await login(client, owner.email, owner.password, provider="local")
    assert answer.status_code == 200
    body = answer.json()
    assert body["success"] is True
    assert body["token_type"] == "bearer"
    assert body["expires_in"] == 3600
    assert body["user"] == {
        "id": str(owner.id),
        "email": owner.email,
        "username": "owner",
        "role": "owner",
        "tenant_id": str(acme.id),
    }
    me = await client.get(
        "/v1/auth/me", headers={"Authorization": f"Bearer {body['access_token']}"}
    )
    assert me.status_code == 200
    assert me.json()["tenant"]["slug"] == acme.tenant.slug
    assert "project:create" in me.json()["permissions"]


async def test_the_older_address_of_the_api_signs_in_too(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = acme.people["owner"]
    answer = await client.post(
        "/api/v1/auth/login", json={"email": owner.email, "password": owner.password}
    )
    assert answer.status_code == 200


async def test_case_and_blanks_of_an_address_do_not_matter(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = acme.people["owner"]
    answer = await login(client, f"  {owner.email.upper()} ", owner.password)
    assert answer.status_code == 200


async def test_sec_password_account_01_unknown_address_and_wrong_password_answer_alike(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    known = await login(client, acme.people["owner"].email, "not the password at all")
    unknown = await login(client, "nobody@nowhere.example", "not the password at all")
    assert known.status_code == unknown.status_code == 401
    assert told(known) == told(unknown)
    assert known.headers["www-authenticate"] == unknown.headers["www-authenticate"]
    assert set(known.headers) == set(unknown.headers)


async def test_sec_password_account_01_and_take_the_same_time(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    async def attempt(email: str) -> None:
        await admin.execute("TRUNCATE login_failures")
        assert (await login(client, email, "not the password at all")).status_code == 401

    known, unknown = acme.people["owner"].email, "nobody@nowhere.example"
    assert await difference(lambda: attempt(known), lambda: attempt(unknown)) < 0.05


async def test_a_closed_account_answers_like_a_wrong_password(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    viewer = acme.people["viewer"]
    await admin.execute("UPDATE users SET status = 'disabled' WHERE id = $1", viewer.id)
    closed = await login(client, viewer.email, viewer.password)
    wrong = await login(client, viewer.email, "not the password at all")
    assert closed.status_code == 401
    assert told(closed) == told(wrong)


async def test_failures_make_the_next_try_wait_longer_and_longer(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    owner = acme.people["owner"]
    for _ in range(5):
        assert (await login(client, owner.email, "a wrong password")).status_code == 401
    waits = []
    for _ in range(4):
        refused = await login(client, owner.email, owner.password)
        assert refused.status_code == 429
        assert refused.json()["error"] == "rate_limited"
        waits.append(int(refused.headers["retry-after"]))
        clock.advance(seconds=waits[-1])
        assert (await login(client, owner.email, "a wrong password")).status_code == 401
    assert waits == [1, 2, 4, 8]
    clock.advance(hours=1)
    assert (await login(client, owner.email, owner.password)).status_code == 200
    assert (await login(client, owner.email, "a wrong password")).status_code == 401


async def test_sec_password_account_03_many_accounts_from_one_address_are_slowed_down(
    client: httpx.AsyncClient,
) -> None:
    answers = [
        (await login(client, f"person{number}@stuffing.example", "guess number one")).status_code
        for number in range(31)
    ]
    assert answers == [401] * 30 + [429]


async def test_sec_password_account_04_a_made_up_forwarded_address_changes_nothing(
    client: httpx.AsyncClient,
) -> None:
    answers = [
        (
            await client.post(
                "/v1/auth/login",
                json={"email": f"p{number}@x.example", "password": "guess number one"},
                headers={"X-Forwarded-For": f"203.0.113.{number}"},
            )
        ).status_code
        for number in range(31)
    ]
    assert answers[-1] == 429


async def test_sec_password_account_07_an_old_hash_is_renewed_at_the_next_sign_in(
    client: httpx.AsyncClient, acme: Organisation, house: House, admin: asyncpg.Connection
) -> None:
    owner = acme.people["owner"]
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await admin.execute("UPDATE users SET password_hash = $1 WHERE id = $2", weak, owner.id)
    assert (await login(client, owner.email, PASSWORD)).status_code == 200
    kept = await admin.fetchval("SELECT password_hash FROM users WHERE id = $1", owner.id)
    assert kept != weak
    assert not desk_of(house).is_outdated(kept)
    assert (await login(client, owner.email, PASSWORD)).status_code == 200


async def test_sec_password_account_08_a_flood_is_turned_away_at_the_desk(
    client: httpx.AsyncClient, acme: Organisation, house: House
) -> None:
    desk = desk_of(house)
    assert isinstance(desk, PasswordDesk)
    floods = [login(client, f"flood{n}@x.example", "guess number one") for n in range(120)]
    answers = await asyncio.gather(*floods)
    statuses = {answer.status_code for answer in answers}
    assert 503 in statuses or 429 in statuses
    assert statuses <= {401, 429, 503}


async def test_another_provider_is_refused_with_what_to_do(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    answer = await client.post(
        "/v1/auth/login",
        json={"email": acme.people["owner"].email, "provider": "google", "auth_code": "x"},
    )
    assert answer.status_code == 400
    assert "begin at GET /v1/auth/sso/google" in answer.json()["message"]


@pytest.mark.parametrize("body", [{}, {"email": "a@b.example"}, {"email": 1, "password": []}])
async def test_a_body_that_is_not_a_login_is_invalid(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    answer = await client.post("/v1/auth/login", json=body)
    assert answer.status_code == 400
    assert answer.json()["details"]["validation_errors"]


async def test_a_password_longer_than_any_is_refused_before_it_is_hashed(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    answer = await login(client, acme.people["owner"].email, "x" * 1025)
    assert answer.status_code == 400


async def test_a_person_of_several_tenants_is_asked_which(
    client: httpx.AsyncClient, house: House, acme: Organisation, globex: Organisation
) -> None:
    email = acme.people["owner"].email
    await add_person(house, globex, email=email, role="owner")
    answer = await login(client, email, PASSWORD)
    assert answer.status_code == 400
    tenants = answer.json()["details"]["tenants"]
    assert {tenant["id"] for tenant in tenants} == {str(acme.id), str(globex.id)}
    for named in ({"tenant_id": str(globex.id)}, {"tenant_id": globex.tenant.slug}):
        chosen = await login(client, email, PASSWORD, **named)
        assert chosen.json()["user"]["tenant_id"] == str(globex.id)
    by_header = await client.post(
        "/v1/auth/login",
        json={"email": email, "password": PASSWORD},
        headers={"X-Tenant-ID": str(acme.id)},
    )
    assert by_header.json()["user"]["tenant_id"] == str(acme.id)
    by_slug = await client.post(
        "/v1/auth/login",
        json={"email": email, "password": PASSWORD},
        headers={"X-Tenant-Slug": acme.tenant.slug},
    )
    assert by_slug.json()["user"]["tenant_id"] == str(acme.id)
    by_host = await client.post(
        "/v1/auth/login",
        json={"email": email, "password": PASSWORD},
        headers={"Host": f"{globex.tenant.slug}.localhost:8765"},
    )
    assert by_host.json()["user"]["tenant_id"] == str(globex.id)


async def test_a_password_of_one_tenant_does_not_list_the_others(
    client: httpx.AsyncClient, house: House, acme: Organisation, globex: Organisation
) -> None:
    email = acme.people["owner"].email
    await add_person(house, globex, email=email, role="owner", password="quite another one")
    answer = await login(client, email, "quite another one")
    assert answer.status_code == 200
    assert answer.json()["user"]["tenant_id"] == str(globex.id)


async def test_signing_in_and_failing_to_are_in_the_log(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    owner = acme.people["owner"]
    await login(client, owner.email, "not the password at all")
    await login(client, owner.email, owner.password)
    names = [
        row["name"]
        for row in await admin.fetch(
            "SELECT name FROM events WHERE tenant_id = $1 AND area = 'auth' AND name LIKE "
            "'user.login%' ORDER BY id",
            acme.id,
        )
    ]
    assert sorted(names) == ["user.login", "user.login_failed"]


async def test_sec_session_refresh_11_one_session_too_many_ends_the_oldest(
    client: httpx.AsyncClient, globex: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    held = []
    for _ in range(3):
        held.append(await globex.headers(client))
        clock.advance(seconds=1)
    answers = [(await client.get("/v1/auth/me", headers=headers)).status_code for headers in held]
    assert answers == [401, 200, 200]
    ended = await admin.fetchval(
        "SELECT count(*) FROM events WHERE tenant_id = $1 AND name = 'session.ended'", globex.id
    )
    assert ended == 1


async def test_a_repeat_of_a_sign_in_never_shows_its_tokens_again(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = acme.people["owner"]
    body = {"email": owner.email, "password": owner.password}
    first = await client.post("/v1/auth/login", json=body, headers={"Idempotency-Key": "k1"})
    second = await client.post("/v1/auth/login", json=body, headers={"Idempotency-Key": "k1"})
    assert (first.status_code, second.status_code) == (200, 409)


async def test_access_tokens_say_who_and_where_for_an_hour(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    headers = await acme.headers(client, "developer")
    payload = headers["Authorization"].removeprefix("Bearer ").split(".")[1]
    claims = tokens._parse(tokens._decode(payload))
    assert set(claims) == {"iss", "aud", "sub", "tid", "role", "sid", "jti", "iat", "exp"}
    assert claims["tid"] == str(acme.id)
    assert claims["exp"] - claims["iat"] == 3600
    clock.advance(seconds=3600 + tokens.LEEWAY_S + 1)
    assert (await client.get("/v1/auth/me", headers=headers)).status_code == 401
