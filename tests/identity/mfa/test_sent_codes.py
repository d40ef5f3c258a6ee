"""Codes by mail and text message, and backup codes."""

import asyncio
from dataclasses import replace

import asyncpg
import httpx

from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_sessions import (
    bearer,
    set_policy,
    sign_in,
    status,
)
from tests.identity.mfa.given_factors import (
    add_email,
    begin,
    code_mailed_to,
    enrol,
    knock,
    post,
)


async def test_sec_totp_otp_08_a_backup_code_works_once_and_is_kept_as_a_salted_hash(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    mine = await enrol(client, acme, clock)
    first = mine["backup_codes"][0]
    answers = await asyncio.gather(*(knock(client, acme, mfa_code=first) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401]
    left = (await client.get("/v1/auth/mfa", headers=bearer(mine))).json()["backup_codes_left"]
    assert left == 7
    kept = await admin.fetch(
        "SELECT salt, code_hash FROM mfa_backup_codes WHERE tenant_id = $1", acme.id
    )
    assert len(kept) == 8
    assert all(len(row["salt"]) == 16 and len(row["code_hash"]) == 32 for row in kept)
    assert not any(first.encode() in bytes(row["code_hash"]) for row in kept)
    other = await enrol(client, acme, clock, "admin")
    salts = await admin.fetch(
        "SELECT DISTINCT salt FROM mfa_backup_codes WHERE tenant_id = $1", acme.id
    )
    assert len(salts) == 2
    theirs = await knock(client, acme, mfa_code=other["backup_codes"][0])
    assert theirs.status_code == 401


async def test_sec_totp_otp_08_guessed_backup_codes_wait(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    mine = await enrol(client, acme, clock)
    token = (await begin(client, acme))["mfa_token"]
    for expected in [401] * 5 + [429]:
        answer = await post(client, "/auth/mfa/challenge", mfa_token=token, code="00000000")
        assert answer.status_code == expected
    right = await post(client, "/auth/mfa/challenge", mfa_token=token, code=mine["backup_codes"][0])
    assert right.status_code == 429
    assert int(right.headers["Retry-After"]) >= 1


async def test_sec_totp_otp_10_a_sent_code_is_good_once_for_ten_minutes_for_one_thing(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    await add_email(client, admin, acme, "owner")
    await add_email(client, admin, acme, "admin")
    address = acme.people["owner"].email

    async def ask(role: str = "owner") -> tuple[str, str]:
        token = (await begin(client, acme, role))["mfa_token"]
        sent = await post(client, "/auth/mfa/challenge", mfa_token=token, method="email")
        assert sent.status_code == 200, sent.text
        assert sent.json()["expires_in"] == 600
        return token, await code_mailed_to(admin, acme.people[role].email)

    async def finish(token: str, code: str) -> int:
        answer = await post(
            client, "/auth/mfa/challenge", mfa_token=token, code=code, method="email"
        )
        return answer.status_code

    first, code = await ask()
    other, _ = await ask()
    theirs, _ = await ask("admin")
    assert await finish(other, code) == 401
    assert await finish(theirs, code) == 401
    assert await finish(first, code) == 200
    assert await finish(first, code) == 401
    # Of two codes for the same sign-in, the later one counts.
    token, early = await ask()
    await post(client, "/auth/mfa/challenge", mfa_token=token, method="email")
    assert await finish(token, early) == 401
    assert await finish(token, await code_mailed_to(admin, address)) == 200


async def test_sec_totp_otp_10_a_sent_code_ends_after_ten_minutes(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    tokens = await sign_in(client, acme)
    await post(client, "/auth/mfa/setup", bearer(tokens), method="email")
    code = await code_mailed_to(admin, acme.people["owner"].email)
    clock.advance(minutes=10)
    late = await post(client, "/auth/mfa/verify", bearer(tokens), method="email", code=code)
    assert late.status_code == 401


async def test_sec_totp_otp_10_a_code_for_a_step_up_signs_nobody_in(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    await add_email(client, admin, acme, "owner")
    token = (await begin(client, acme))["mfa_token"]
    await post(client, "/auth/mfa/challenge", mfa_token=token, method="email")
    code = await code_mailed_to(admin, acme.people["owner"].email)
    mine = (await post(client, "/auth/mfa/challenge", mfa_token=token, code=code)).json()
    await post(client, "/auth/mfa/step-up", bearer(mine), method="email")
    stepping = await code_mailed_to(admin, acme.people["owner"].email)
    elsewhere = (await begin(client, acme))["mfa_token"]
    misused = await post(client, "/auth/mfa/challenge", mfa_token=elsewhere, code=stepping)
    assert misused.status_code == 401
    right = await post(client, "/auth/step-up", bearer(mine), mfa_code=stepping)
    assert right.status_code == 200, right.text


async def test_sec_totp_otp_11_messages_are_bounded_by_number_person_and_country(
    client: httpx.AsyncClient, house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    async def ask(role: str, phone: str) -> httpx.Response:
        tokens = await sign_in(client, acme, role)
        return await post(client, "/auth/mfa/setup", bearer(tokens), method="sms", phone=phone)

    for phone in ("+8821234567", "+19005550123", "+18765550123", "+449098790879", "12", "+1٢٣٤٥٦٧٨",
                  "+447012345678", "+1415555012345678"):  # fmt: skip
        assert (await ask("owner", phone)).status_code == 400, phone
    number = f"+1415{acme.id.int % 10**7:07}"
    answers = [(await ask(role, number)).status_code for role in ("owner", "admin") * 4]
    assert answers == [200] * 5 + [429] * 3
    sent = await admin.fetchval("SELECT count(*) FROM outgoing_sms WHERE tenant_id = $1", acme.id)
    assert sent == 5


async def test_sec_totp_otp_11_messages_to_many_numbers_are_bounded_for_person_and_tenant(
    client: httpx.AsyncClient, house: House, acme: Organisation
) -> None:
    house.settings = replace(house.settings, sms_per_user_day=3, sms_per_tenant_day=5)

    async def ask(role: str, last: int) -> int:
        tokens = await sign_in(client, acme, role)
        number = f"+1415{(acme.id.int + last) % 10**7:07}"
        answer = await post(client, "/auth/mfa/setup", bearer(tokens), method="sms", phone=number)
        return answer.status_code

    assert [await ask("owner", n) for n in range(4)] == [200, 200, 200, 429]
    assert [await ask("admin", n) for n in range(4, 7)] == [200, 200, 429]


async def test_sec_totp_otp_12_nobody_asks_for_a_weaker_factor_than_the_policy_lets_count(
    client: httpx.AsyncClient, house: House, acme: Organisation, clock: FakeClock,
    admin: asyncpg.Connection,
) -> None:  # fmt: skip
    mine = await enrol(client, acme, clock)
    begun = await post(client, "/auth/mfa/setup", bearer(mine), method="email")
    assert begun.status_code == 200
    code = await code_mailed_to(admin, acme.people["owner"].email)
    await post(client, "/auth/mfa/verify", bearer(mine), method="email", code=code)
    assert (await begin(client, acme))["methods"] == ["totp", "email", "backup_code"]
    await set_policy(house, acme, mfa_methods=["totp", "webauthn"])
    asked = await begin(client, acme)
    assert "email" not in asked["methods"]
    for method in ("sms", "email", "webauthn"):
        answer = await post(
            client, "/auth/mfa/challenge", mfa_token=asked["mfa_token"], method=method
        )
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
        forced = await post(
            client, "/auth/mfa/challenge", mfa_token=asked["mfa_token"], method=method,
            code="123456",
        )  # fmt: skip
        assert forced.status_code == 403
    assert await status(client, mine) == 200
