"""Codes of an authenticator app: setting up, signing in, guessing."""

import asyncio
import base64
import re

import asyncpg
import httpx
import pytest

from leanvibe_server.identity.mfa import totp
from leanvibe_server.wiring import Doors
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_mail import letters_to
from tests.identity.given_sessions import (
    bearer,
    coming_from,
    names_of_events,
    sign_in,
    status,
)
from tests.identity.mfa.given_factors import begin, enrol, knock, post, totp_code


async def test_the_set_up_answers_as_printed(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    tokens = await sign_in(client, acme)
    begun = await post(client, "/auth/mfa/setup", bearer(tokens), method="totp")
    answer = begun.json()
    assert set(answer) == {"method", "secret", "qr_code", "backup_codes"}
    assert re.fullmatch("[A-Z2-7]{32}", answer["secret"])
    assert len(set(answer["backup_codes"])) == 8
    assert all(re.fullmatch("[0-9]{8}", code) for code in answer["backup_codes"])
    kind, _, drawn = answer["qr_code"].partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(drawn).startswith(b"\x89PNG")
    code = totp_code(answer["secret"], clock)
    done = await post(client, "/auth/mfa/verify", bearer(tokens), code=code, method="totp")
    assert done.json() == {"message": "MFA verified and activated successfully"}
    mine = (await client.get("/v1/auth/mfa", headers=bearer(tokens))).json()
    assert [one["method"] for one in mine["data"]] == ["totp"]
    assert mine["backup_codes_left"] == 8
    assert {"mfa.factor_added", "mfa.backup_codes_made"} <= set(await names_of_events(admin, acme))
    kept = await admin.fetchval(
        "SELECT secret_sealed FROM mfa_factors WHERE tenant_id = $1", acme.id
    )
    assert answer["secret"].encode() not in kept


async def test_a_set_up_that_was_not_confirmed_asks_nobody_for_a_code(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    tokens = await sign_in(client, acme)
    await post(client, "/auth/mfa/setup", bearer(tokens))
    assert (await knock(client, acme)).status_code == 200


async def test_a_sign_in_waits_for_the_code(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    secret = (await enrol(client, acme, clock))["secret"]
    asked = await begin(client, acme)
    assert asked["methods"] == ["totp", "backup_code"]
    assert (asked["enrollment_required"], asked["expires_in"]) == (False, 300)
    done = await post(
        client, "/auth/mfa/challenge", mfa_token=asked["mfa_token"],
        code=totp_code(secret, clock),
    )  # fmt: skip
    assert done.status_code == 200, done.text
    me = (await client.get("/v1/auth/me", headers=bearer(done.json()))).json()
    assert set(me["session"]["amr"]) == {"pwd", "otp", "mfa"}
    again = await post(
        client, "/auth/mfa/challenge", mfa_token=asked["mfa_token"],
        code=totp_code(secret, clock),
    )  # fmt: skip
    assert again.status_code == 401


async def test_a_code_may_come_with_the_password(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    secret = (await enrol(client, acme, clock))["secret"]
    wrong = await knock(client, acme, mfa_code="000000")
    assert (wrong.status_code, wrong.json()["error"]) == (401, "mfa_required")
    assert wrong.json()["details"]["reason"] == "wrong_code"
    right = await knock(client, acme, mfa_code=totp_code(secret, clock))
    assert right.status_code == 200


async def test_a_waiting_sign_in_ends_with_time_password_and_account(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    secret = (await enrol(client, acme, clock, "developer"))["secret"]
    owner = bearer(await sign_in(client, acme))
    who = acme.people["developer"]

    async def finish(token: str) -> int:
        code = totp_code(secret, clock)
        done = await post(client, "/auth/mfa/challenge", mfa_token=token, code=code)
        return done.status_code

    late = (await begin(client, acme, "developer"))["mfa_token"]
    clock.advance(minutes=5)
    assert await finish(late) == 401
    changed = (await begin(client, acme, "developer"))["mfa_token"]
    await admin.execute("UPDATE users SET password_hash = 'other' WHERE id = $1", who.id)
    assert await finish(changed) == 401
    kept = await admin.fetchval(
        "SELECT password_hash FROM users WHERE id = $1", acme.people["admin"].id
    )
    await admin.execute("UPDATE users SET password_hash = $2 WHERE id = $1", who.id, kept)
    disabled = (await begin(client, acme, "developer"))["mfa_token"]
    await client.patch(f"/v1/users/{who.id}", json={"status": "disabled"}, headers=owner)
    assert await finish(disabled) == 401
    asking = await post(client, "/auth/mfa/challenge", mfa_token=disabled, method="totp")
    assert asking.status_code == 401


async def test_a_token_of_a_sign_in_is_good_for_nothing_else(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation, clock: FakeClock
) -> None:
    await enrol(client, acme, clock)
    token = (await begin(client, acme))["mfa_token"]
    as_bearer = {"Authorization": f"Bearer {token}"}
    assert (await client.get("/v1/auth/me", headers=as_bearer)).status_code == 401
    assert (await post(client, "/auth/refresh", refresh_token=token)).status_code == 401
    setting_up = await post(client, "/auth/mfa/setup", mfa_token=token, method="totp")
    assert setting_up.json()["details"]["reason"] == "second_factor_needed"
    for made_up in ("x", token[:-1] + ("a" if token[-1] != "a" else "b"), token[:22] + "0" * 43):
        answer = await post(client, "/auth/mfa/challenge", mfa_token=made_up, code="123456")
        assert answer.status_code == 401


async def test_sec_totp_otp_01_a_code_works_once(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    secret = (await enrol(client, acme, clock))["secret"]
    code = totp_code(secret, clock)
    answers = await asyncio.gather(*(knock(client, acme, mfa_code=code) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    assert (await knock(client, acme, mfa_code=code)).status_code == 401
    clock.advance(seconds=30)
    earlier = totp_code(secret, clock, steps=-1)
    assert (await knock(client, acme, mfa_code=earlier)).status_code == 401


async def test_sec_totp_otp_01_the_code_that_confirmed_the_set_up_signs_nobody_in(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    tokens = await sign_in(client, acme)
    secret = (await post(client, "/auth/mfa/setup", bearer(tokens))).json()["secret"]
    code = totp_code(secret, clock)
    await post(client, "/auth/mfa/verify", bearer(tokens), code=code)
    assert (await knock(client, acme, mfa_code=code)).status_code == 401


@pytest.mark.parametrize(
    ("steps", "right"), [(-2, False), (-1, True), (0, True), (1, False), (2, False)]
)
async def test_sec_totp_otp_02_the_window_is_this_step_and_the_one_before(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, steps: int, right: bool
) -> None:
    secret = (await enrol(client, acme, clock))["secret"]
    clock.advance(seconds=90)
    answer = await knock(client, acme, mfa_code=totp_code(secret, clock, steps=steps))
    assert answer.status_code == (200 if right else 401)


async def test_sec_totp_otp_03_parallel_guesses_are_counted_before_they_are_judged(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    secret = (await enrol(client, acme, clock))["secret"]
    token = (await begin(client, acme))["mfa_token"]

    async def guess(code: str) -> int:
        answer = await post(client, "/auth/mfa/challenge", mfa_token=token, code=code)
        return answer.status_code

    answers = await asyncio.gather(*(guess(f"{n:06}") for n in range(60)))
    assert answers.count(401) == 5
    assert answers.count(429) == 55
    assert await guess(totp_code(secret, clock)) == 429
    letters = await letters_to(admin, acme.people["owner"].email)
    assert "Wrong codes at your sign-in" in [subject for subject, _ in letters]
    clock.advance(seconds=1)
    assert await guess("000000") == 401
    clock.advance(seconds=1)
    assert await guess(totp_code(secret, clock)) == 429
    clock.advance(seconds=1)
    assert await guess(totp_code(secret, clock)) == 200


async def test_sec_totp_otp_03_guesses_against_many_accounts_are_counted_by_address(
    doors: Doors, client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    for role in ("owner", "admin", "manager", "developer", "viewer", "guest"):
        await enrol(client, acme, clock, role)
    async with coming_from(doors, "203.0.113.9") as stranger:
        answers = []
        for role in ("owner", "admin", "manager", "developer", "viewer", "guest"):
            token = (await begin(stranger, acme, role))["mfa_token"]
            for method in ("totp", "backup_code"):
                for _ in range(4):
                    code = "00000000" if method == "backup_code" else "000000"
                    answer = await post(
                        stranger, "/auth/mfa/challenge", mfa_token=token, code=code, method=method
                    )
                    answers.append(answer.status_code)
        assert answers[:30] == [401] * 30
        assert 401 not in answers[30:]


async def test_sec_totp_otp_03_a_right_code_gives_the_address_its_try_back(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    secret = (await enrol(client, acme, clock))["secret"]
    for _ in range(40):
        clock.advance(seconds=30)
        answer = await knock(client, acme, mfa_code=totp_code(secret, clock))
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "code",
    [
        "١٢٣٤٥٦", "１２３４５６", "12345", "1234567", "123456\n0", "-12345", "1e5000", "",
        "abcdef", "৪৫৬৭৮৯",
    ],
)  # fmt: skip
async def test_sec_totp_otp_04_only_six_ascii_digits_are_a_code(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, code: str
) -> None:
    await enrol(client, acme, clock)
    token = (await begin(client, acme))["mfa_token"]
    answer = await post(client, "/auth/mfa/challenge", mfa_token=token, code=code, method="totp")
    assert answer.status_code == 401


async def test_sec_totp_otp_04_a_right_code_in_other_digits_is_wrong(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    secret = (await enrol(client, acme, clock))["secret"]
    code = totp_code(secret, clock)
    arabic = code.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    assert (await knock(client, acme, mfa_code=arabic)).status_code == 401
    spaced = f"{code[:3]} {code[3:]}"
    assert (await knock(client, acme, mfa_code=spaced)).status_code == 200


async def test_sec_totp_otp_05_the_secret_has_160_bits_and_is_shown_once(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    made = {totp.new_secret() for _ in range(50)}
    assert len(made) == 50
    assert all(len(base64.b32decode(secret)) == 20 for secret in made)
    mine = await enrol(client, acme, clock)
    for path in ("/v1/auth/mfa", "/v1/auth/me", f"/v1/users/{acme.people['owner'].id}"):
        shown = (await client.get(path, headers=bearer(mine))).text
        assert mine["secret"] not in shown
        assert not any(code in shown for code in mine["backup_codes"])


async def test_sec_totp_otp_05_setting_up_anew_leaves_the_old_one_in_force_until_confirmed(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    old = await enrol(client, acme, clock)
    new = (await post(client, "/auth/mfa/setup", bearer(old))).json()
    assert (await knock(client, acme, mfa_code=totp_code(new["secret"], clock))).status_code == 401
    assert (await knock(client, acme, mfa_code=old["backup_codes"][0])).status_code == 200
    code = totp_code(new["secret"], clock)
    assert (await post(client, "/auth/mfa/verify", bearer(old), code=code)).status_code == 200
    clock.advance(seconds=60)
    gone = await knock(client, acme, mfa_code=totp_code(old["secret"], clock))
    assert gone.status_code == 401
    assert (await knock(client, acme, mfa_code=old["backup_codes"][1])).status_code == 401
    clock.advance(seconds=60)
    assert (await knock(client, acme, mfa_code=totp_code(new["secret"], clock))).status_code == 200
    assert "mfa.factor_removed" in await names_of_events(admin, acme)


async def test_sec_totp_otp_06_nobody_gets_around_the_code_by_another_door(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    mine = await enrol(client, acme, clock)
    token = (await begin(client, acme))["mfa_token"]
    for body in (
        {"mfa_token": token},
        {"mfa_token": token, "code": None},
        {"mfa_token": token, "credential": {}},
        {"mfa_token": token, "method": "webauthn", "code": "123456"},
        {"mfa_token": token, "method": "totp"},
    ):
        answer = await post(client, "/auth/mfa/challenge", **body)
        assert answer.status_code in (400, 401, 403), answer.text
    # The password alone opens no session, so there is nothing to verify a new factor with.
    verify = await post(client, "/auth/mfa/verify", mfa_token=token, code="123456")
    assert verify.status_code == 403
    assert await status(client, mine) == 200
