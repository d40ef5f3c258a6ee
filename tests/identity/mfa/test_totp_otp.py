"""Codes of authenticator apps, codes that are sent, and backup codes: right once, wrong seldom."""

import asyncio
import base64
import re
from dataclasses import replace

import asyncpg
import httpx
import pytest

from leanvibe_server.identity.mfa import totp
from leanvibe_server.kernel.house import House
from leanvibe_server.wiring import Doors
from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation
from tests.identity.given_mail import letters_to
from tests.identity.given_sessions import (
    bearer,
    coming_from,
    names_of_events,
    set_policy,
    sign_in,
    status,
)
from tests.identity.mfa.given_factors import begin, enrol, knock, post, totp_code


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


async def test_sec_totp_otp_07_a_factor_is_changed_only_after_a_fresh_proof(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    mine = await enrol(client, acme, clock)
    [factor] = (await client.get("/v1/auth/mfa", headers=bearer(mine))).json()["data"]
    clock.advance(minutes=11)
    stale = [
        await client.delete(f"/v1/auth/mfa/{factor['id']}", headers=bearer(mine)),
        await post(client, "/auth/mfa/setup", bearer(mine)),
        await post(client, "/auth/mfa/backup-codes", bearer(mine)),
        await post(client, f"/users/{acme.people['viewer'].id}/mfa/reset", bearer(mine)),
    ]
    for answer in stale:
        assert answer.status_code == 403
        assert answer.json()["details"]["reason"] == "step_up_required"
    code = totp_code(mine["secret"], clock)
    fresh = await post(client, "/auth/step-up", bearer(mine), mfa_code=code)
    gone = await client.delete(f"/v1/auth/mfa/{factor['id']}", headers=bearer(fresh.json()))
    assert gone.status_code == 204
    assert "A second factor was removed" in [
        subject for subject, _ in await letters_to(admin, acme.people["owner"].email)
    ]
    assert (await knock(client, acme)).status_code == 200


async def test_a_password_alone_is_not_enough_for_who_has_a_second_factor(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    mine = await enrol(client, acme, clock)
    clock.advance(minutes=11)
    for password in (PASSWORD, "wrong"):
        refused = await post(client, "/auth/step-up", bearer(mine), password=password)
        assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
        assert refused.json()["details"]["reason"] == "second_factor_needed"
        assert refused.json()["details"]["methods"] == ["totp", "backup_code"]
    stale = await post(client, "/auth/mfa/backup-codes", bearer(mine))
    assert stale.json()["details"]["reason"] == "step_up_required"
    code = totp_code(mine["secret"], clock)
    both = await post(client, "/auth/step-up", bearer(mine), password="wrong", mfa_code=code)
    assert both.json()["details"]["reason"] == "wrong_password"
    right = await post(client, "/auth/step-up", bearer(mine), password=PASSWORD, mfa_code=code)
    assert right.status_code == 200, right.text


async def test_a_first_second_factor_ends_the_sessions_that_were_opened_without_one(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    stolen = await sign_in(client, acme)
    mine = await enrol(client, acme, clock)
    assert (await status(client, stolen), await status(client, mine)) == (401, 200)
    with_factor = await knock(client, acme, mfa_code=totp_code(mine["secret"], clock))
    begun = await post(client, "/auth/mfa/setup", bearer(mine), method="totp")
    clock.advance(seconds=60)
    code = totp_code(begun.json()["secret"], clock)
    assert (await post(client, "/auth/mfa/verify", bearer(mine), code=code)).status_code == 200
    assert await status(client, with_factor.json()) == 200


async def test_asking_everybody_for_a_second_factor_ends_sessions_without_one(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    mine = await enrol(client, acme, clock)
    theirs = await sign_in(client, acme, "developer")
    asked = await client.put(
        "/v1/tenants/me/security", json={"mfa_required": True}, headers=bearer(mine)
    )
    assert asked.status_code == 200, asked.text
    assert (await status(client, mine), await status(client, theirs)) == (200, 401)
    renewed = await post(client, "/auth/refresh", refresh_token=theirs["refresh_token"])
    assert renewed.status_code == 401
    assert (await begin(client, acme, "developer"))["enrollment_required"] is True


async def test_sec_totp_otp_07_a_code_proves_its_bearer_once_more(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    mine = await enrol(client, acme, clock)
    clock.advance(minutes=11)
    wrong = await post(client, "/auth/step-up", bearer(mine), mfa_code="000000")
    assert (wrong.status_code, wrong.json()["details"]["reason"]) == (403, "wrong_code")
    code = totp_code(mine["secret"], clock)
    right = await post(client, "/auth/step-up", bearer(mine), mfa_code=code)
    assert right.status_code == 200, right.text
    codes = await post(client, "/auth/mfa/backup-codes", bearer(right.json()))
    assert len(codes.json()["backup_codes"]) == 8


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


async def test_sec_totp_otp_09_who_must_have_a_factor_may_set_one_up_and_nothing_else(
    client: httpx.AsyncClient, house: House, acme: Organisation, clock: FakeClock
) -> None:
    await set_policy(house, acme, mfa_required=True, mfa_methods=["totp"])
    asked = await begin(client, acme)
    assert asked["enrollment_required"] is True
    assert asked["methods"] == ["totp"]
    token = asked["mfa_token"]
    early = await post(client, "/auth/mfa/challenge", mfa_token=token, code="123456")
    assert early.json()["details"]["reason"] == "enrollment_required"
    refused = await post(client, "/auth/mfa/setup", mfa_token=token, method="email")
    assert refused.status_code == 403
    begun = await post(client, "/auth/mfa/setup", mfa_token=token, method="totp")
    assert begun.status_code == 200, begun.text
    code = totp_code(begun.json()["secret"], clock)
    done = await post(client, "/auth/mfa/verify", mfa_token=token, code=code, method="totp")
    assert done.status_code == 200, done.text
    assert done.json()["message"] == "MFA verified and activated successfully"
    assert await status(client, done.json()) == 200
    again = await post(client, "/auth/mfa/verify", mfa_token=token, code=code, method="totp")
    assert again.status_code == 401


async def test_sec_totp_otp_09_the_last_factor_stays_where_one_is_asked_for(
    client: httpx.AsyncClient, house: House, acme: Organisation, clock: FakeClock
) -> None:
    mine = await enrol(client, acme, clock)
    await set_policy(house, acme, mfa_required=True)
    [factor] = (await client.get("/v1/auth/mfa", headers=bearer(mine))).json()["data"]
    answer = await client.delete(f"/v1/auth/mfa/{factor['id']}", headers=bearer(mine))
    assert (answer.status_code, answer.json()["details"]["reason"]) == (409, "last_factor")


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
