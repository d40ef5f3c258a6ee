"""An address proved, and exchanged for another."""

import asyncpg
import httpx
import pytest

from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation, fresh_email
from tests.identity.given_mail import letters_to, link_to
from tests.identity.given_people import add_person
from tests.identity.given_sessions import bearer, names_of_events, sign_in, status


async def ask(client: httpx.AsyncClient, headers: dict[str, str], email: str) -> httpx.Response:
    return await client.post("/v1/auth/email/change", json={"new_email": email}, headers=headers)


async def login(client: httpx.AsyncClient, email: str) -> int:
    answer = await client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    return answer.status_code


async def test_sec_password_account_10_the_old_address_is_told_and_the_new_one_proved_first(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    tokens, old, new = await sign_in(client, acme), acme.people["owner"].email, fresh_email()
    asked = await ask(client, bearer(tokens), new)
    assert asked.status_code == 202, asked.text
    told = await letters_to(admin, old)
    assert [subject for subject, _ in told] == ["Your e-mail address is about to change"]
    assert new in told[0][1]
    assert (await login(client, new), await login(client, old)) == (401, 200)
    token = await link_to(admin, new, "confirm-email")
    confirmed = await client.post("/v1/auth/email/confirm", json={"token": token})
    assert confirmed.status_code == 200, confirmed.text
    assert (await login(client, new), await login(client, old)) == (200, 401)
    assert (await letters_to(admin, old))[-1][0] == "Your e-mail address was changed"
    assert await status(client, tokens) == 200
    names = await names_of_events(admin, acme)
    assert {"user.email_change_requested", "user.email_changed"} <= set(names)
    again = await client.post("/v1/auth/email/confirm", json={"token": token})
    assert again.status_code == 404


async def test_a_change_of_address_asks_for_a_fresh_proof(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    headers = await acme.headers(client)
    clock.advance(minutes=11)
    answer = await ask(client, headers, fresh_email())
    assert answer.json()["details"]["reason"] == "step_up_required"


async def test_the_address_of_a_colleague_is_not_told_and_not_taken(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers, taken = await acme.headers(client, "viewer"), acme.people["owner"].email
    free, refused = await ask(client, headers, fresh_email()), await ask(client, headers, taken)
    assert (free.status_code, free.json()) == (refused.status_code, refused.json())
    subjects = [subject for subject, _ in await letters_to(admin, taken)]
    assert subjects == ["Your address is in use already"]


async def test_an_address_that_was_taken_meanwhile_is_refused(
    client: httpx.AsyncClient, house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    wanted = fresh_email()
    await ask(client, await acme.headers(client, "viewer"), wanted)
    token = await link_to(admin, wanted, "confirm-email")
    await add_person(house, acme, email=wanted, role="developer")
    answer = await client.post("/v1/auth/email/confirm", json={"token": token})
    assert answer.status_code == 409


async def test_only_the_latest_wish_counts_and_only_for_a_day(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    headers, first, second = await acme.headers(client), fresh_email(), fresh_email()
    await ask(client, headers, first)
    await ask(client, headers, second)
    early, late = [await link_to(admin, email, "confirm-email") for email in (first, second)]
    stale = await client.post("/v1/auth/email/confirm", json={"token": early})
    assert stale.status_code == 404
    clock.advance(hours=25)
    expired = await client.post("/v1/auth/email/confirm", json={"token": late})
    assert expired.status_code == 404


@pytest.mark.parametrize("bad", ["", "no address", "a@", "x" * 300 + "@x.example"])
async def test_what_is_no_address_is_refused_by_field(
    client: httpx.AsyncClient, acme: Organisation, bad: str
) -> None:
    answer = await ask(client, await acme.headers(client), bad)
    assert answer.status_code == 400
    assert answer.json()["details"]["field"] == "new_email"


async def test_the_link_that_confirms_an_address_is_mailed_again_but_not_without_end(
    client: httpx.AsyncClient, house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    email = fresh_email()
    await add_person(house, acme, email=email, role="developer", verified=False)
    answer = await client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    headers = bearer(answer.json())
    for _ in range(5):
        sent = await client.post("/v1/auth/verify-email/resend", headers=headers)
        assert sent.status_code == 202, sent.text
    over = await client.post("/v1/auth/verify-email/resend", headers=headers)
    assert over.status_code == 429
    token = await link_to(admin, email, "verify-email")
    done = await client.post("/v1/auth/verify-email", json={"token": token})
    assert done.status_code == 200
    proved = await client.post("/v1/auth/verify-email/resend", headers=headers)
    assert proved.status_code == 409
