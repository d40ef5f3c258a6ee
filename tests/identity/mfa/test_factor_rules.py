"""Who must have a second factor, and who may change one."""

import asyncpg
import httpx

from leanvibe_server.identity.mfa.guesses import (
    PASSWORDS_PER_HOUR,
    SET_UPS_PER_HOUR,
    spend_on_hashes,
)
from leanvibe_server.identity.repository import people
from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation
from tests.identity.given_mail import letters_to
from tests.identity.given_sessions import (
    bearer,
    set_policy,
    sign_in,
    status,
)
from tests.identity.mfa.given_factors import begin, enrol, knock, post, totp_code


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


async def test_sec_rate_limit_dos_06_nobody_signed_in_keeps_the_desk_of_hashes_to_themselves(
    client: httpx.AsyncClient, house: House, acme: Organisation, clock: FakeClock
) -> None:
    """Backup codes cost eight hashes, and every sign-in of the house waits in the same line."""
    mine, theirs = [await acme.headers(client, role) for role in ("owner", "admin")]
    async with house.database.tenant(acme.id) as conn:
        owner = await people.find_user(conn, acme.id, acme.people["owner"].id)
    assert owner is not None
    for what, most in (("backup codes", SET_UPS_PER_HOUR), ("own password", PASSWORDS_PER_HOUR)):
        for _ in range(most):
            await spend_on_hashes(house, owner, what, most=most)
    change = {"current_password": PASSWORD, "new_password": "seven green umbrellas sing"}
    for path, body in (("/auth/mfa/setup", {}), ("/auth/password/change", change)):
        refused = await post(client, path, mine, **body)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3600"), path
        assert (await post(client, path, theirs, **body)).status_code == 200, path
    clock.advance(hours=1)
    me = await acme.headers(client)
    assert (await post(client, "/auth/mfa/setup", me)).status_code == 200
