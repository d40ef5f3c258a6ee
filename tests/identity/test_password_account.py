"""Passwords: changed, forgotten, reset, and never the same again."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.identity.account.passwords import SEND_RESET
from leanvibe_server.kernel.house import House
from leanvibe_server.wiring import Doors
from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation
from tests.identity.given_mail import letters_to, link_to, work_off
from tests.identity.given_people import add_person
from tests.identity.given_sessions import (
    bearer,
    coming_from,
    names_of_events,
    set_policy,
    sign_in,
    status,
)
from tests.identity.timing import difference

NEW = "seven green umbrellas sing"


async def change(
    client: httpx.AsyncClient, headers: dict[str, str], new: str, current: str = PASSWORD
) -> httpx.Response:
    return await client.post(
        "/v1/auth/password/change",
        json={"current_password": current, "new_password": new},
        headers=headers,
    )


async def forget(client: httpx.AsyncClient, email: str, **more: Any) -> httpx.Response:
    return await client.post("/v1/auth/password/forgot", json={"email": email, **more})


async def reset(client: httpx.AsyncClient, token: str, password: str = NEW) -> httpx.Response:
    return await client.post("/v1/auth/password/reset", json={"token": token, "password": password})


async def asked_for_reset(
    client: httpx.AsyncClient, house: House, admin: asyncpg.Connection, email: str
) -> str:
    """The token of a reset link, asked for and mailed."""
    assert (await forget(client, email)).status_code == 202
    await work_off(house, admin, SEND_RESET)
    return await link_to(admin, email, "reset")


async def login(client: httpx.AsyncClient, email: str, password: str) -> int:
    answer = await client.post("/v1/auth/login", json={"email": email, "password": password})
    return answer.status_code


async def test_a_changed_password_ends_other_sessions_and_is_told_by_mail(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    owner = acme.people["owner"]
    here, elsewhere = await sign_in(client, acme), await sign_in(client, acme)
    answer = await change(client, bearer(here), NEW)
    assert answer.status_code == 200, answer.text
    assert (await status(client, here), await status(client, elsewhere)) == (200, 401)
    assert await login(client, owner.email, PASSWORD) == 401
    assert await login(client, owner.email, NEW) == 200
    assert "Your password was changed" in [one for one, _ in await letters_to(admin, owner.email)]
    assert "user.password_changed" in await names_of_events(admin, acme)


async def test_a_wrong_current_password_changes_nothing_and_is_counted(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    tokens = await sign_in(client, acme)
    statuses = [
        (await change(client, bearer(tokens), NEW, current=f"wrong {n}")).status_code
        for n in range(6)
    ]
    assert statuses == [403] * 5 + [429]
    assert "user.login_failed" in await names_of_events(admin, acme)
    # Whoever sits before an open session does not shut its owner out of sign-in.
    assert await login(client, acme.people["owner"].email, PASSWORD) == 200


async def test_an_api_key_changes_no_password(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    key = (
        await client.post(
            "/v1/api-keys",
            json={"name": "CI", "scopes": ["self", "project:read"]},
            headers=await acme.headers(client),
        )
    ).json()
    answer = await change(client, {"Authorization": f"Bearer {key.get('key')}"}, NEW)
    assert answer.status_code in (401, 403)


@pytest.mark.parametrize(
    "weak",
    [
        "short",
        "elevenchars",
        "password1234",
        "P@ssw0rd2024!",
        "passwordpassword",
        "qwertyuiop12",
        "123456789012",
        "abcdefghijkl",
        "aaaaaaaaaaaaaaa",
        "LeanVibe2026!",
        "iloveyou2026!",
        "masterpassword",
        "Manchester-United-7",
        "hunter2hunter2",
        "x" * 1025,
    ],
)
async def test_sec_password_account_05_common_breached_and_patterned_passwords_are_refused(
    client: httpx.AsyncClient, acme: Organisation, weak: str
) -> None:
    answer = await change(client, await acme.headers(client), weak)
    assert answer.status_code == 400
    assert answer.json()["details"]["field"] == "new_password"


async def test_sec_password_account_05_words_of_the_account_are_refused(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner, headers = acme.people["owner"], await acme.headers(client)
    own = (owner.email, f"{acme.tenant.slug}-2026", f"{acme.tenant.organization_name}!1")
    for weak in own:
        answer = await change(client, headers, weak)
        assert answer.status_code == 400, weak


@pytest.mark.parametrize(
    "fine",
    [
        "nur kleine buchstaben hier",
        "ünïcödé pässwörter für alle",
        "🦊🐻🐼🦁🐯🐨🐸🐙🦉🦄🐝🐢🐌🦋🐞",
        "x7Kq!mZ2pLw9" * 5,
    ],
)
async def test_sec_password_account_06_any_characters_will_do_and_spaces_count(
    client: httpx.AsyncClient, acme: Organisation, fine: str
) -> None:
    assert (await change(client, await acme.headers(client), fine)).status_code == 200
    assert await login(client, acme.people["owner"].email, fine) == 200


async def test_sec_password_account_06_a_long_password_counts_to_its_last_character(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    long = "a fine long sentence " * 20
    assert (await change(client, await acme.headers(client), long)).status_code == 200
    email = acme.people["owner"].email
    assert await login(client, email, long[:-2]) == 401
    assert await login(client, email, long) == 200


@pytest.mark.parametrize("typed", ["\ufdfa", "\ufdfa" * 3, "e\u0301" * 6])
async def test_sec_password_account_06_one_character_that_unfolds_counts_as_one(
    client: httpx.AsyncClient, acme: Organisation, typed: str
) -> None:
    """U+FDFA becomes eighteen letters by NFKC, and e with its accent one."""
    answer = await change(client, await acme.headers(client), typed)
    assert answer.status_code == 400
    assert "at least 15 characters" in answer.text


async def test_a_tenant_s_own_length_holds_wherever_a_password_is_set(
    client: httpx.AsyncClient, house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    await set_policy(house, acme, password_min_length=20)
    headers = await acme.headers(client)
    assert (await change(client, headers, "sixteen letters!")).status_code == 400
    added = await client.post(
        "/v1/users",
        json={"email": f"{uuid4().hex}@x.example", "password": "sixteen letters!"},
        headers=headers,
    )
    assert added.status_code == 400
    token = await asked_for_reset(client, house, admin, acme.people["viewer"].email)
    assert (await reset(client, token, "sixteen letters!")).status_code == 400
    assert (await reset(client, token, NEW)).status_code == 200
    email = f"{uuid4().hex}@x.example"
    await client.post("/v1/users", json={"email": email}, headers=headers)
    invitation = {"token": await link_to(admin, email, "invitations")}
    weak = await client.post(
        "/v1/auth/invitations/accept", json=invitation | {"password": "sixteen letters!"}
    )
    assert weak.status_code == 400
    await set_policy(house, acme, password_min_length=8)
    token = await asked_for_reset(client, house, admin, acme.people["viewer"].email)
    assert (await reset(client, token, "vqgzkwfb")).status_code == 400
    await set_policy(house, acme, password_min_length=8, mfa_required=True)
    assert (await reset(client, token, "vqgzkwfb")).status_code == 200


async def test_sec_password_account_12_the_latest_passwords_do_not_come_again(
    client: httpx.AsyncClient, house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    await set_policy(house, acme, password_history=3)
    headers, current = await acme.headers(client), PASSWORD
    for fresh in ("one green umbrella sings", "two green umbrellas sing"):
        assert (await change(client, headers, fresh, current)).status_code == 200
        current = fresh
    for used in (PASSWORD, "one green umbrella sings", current):
        answer = await change(client, headers, used, current)
        assert answer.status_code == 400, used
        assert "used before" in answer.json()["message"]
    token = await asked_for_reset(client, house, admin, acme.people["owner"].email)
    assert (await reset(client, token, PASSWORD)).status_code == 400
    assert (await change(client, headers, "three green umbrellas sing", current)).status_code == 200
    back = await change(client, headers, PASSWORD, "three green umbrellas sing")
    assert back.status_code == 200
    kept = await admin.fetch(
        "SELECT password_hash FROM password_history WHERE tenant_id = $1", acme.id
    )
    assert len(kept) == 4
    assert all(row["password_hash"].startswith("$argon2id$") for row in kept)


async def test_without_a_history_a_password_may_come_again(
    client: httpx.AsyncClient, house: House, acme: Organisation
) -> None:
    await set_policy(house, acme, password_history=0)
    assert (await change(client, await acme.headers(client), PASSWORD)).status_code == 200


async def test_sec_password_account_02_a_reset_answers_alike_for_strangers_and_mails_the_owner(
    client: httpx.AsyncClient, house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    owner = acme.people["owner"]
    known, unknown = await forget(client, owner.email), await forget(client, "no@body.example")
    assert known.status_code == unknown.status_code == 202
    assert known.json() == unknown.json()
    assert set(known.headers) == set(unknown.headers)
    assert await letters_to(admin, owner.email) == []
    assert await work_off(house, admin, SEND_RESET) == 2
    assert [one for one, _ in await letters_to(admin, owner.email)] == ["Set a new password"]
    assert await letters_to(admin, "no@body.example") == []
    assert "user.password_reset_requested" in await names_of_events(admin, acme)


async def test_sec_password_account_02_and_takes_the_same_time(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    async def attempt(email: str) -> None:
        await admin.execute("TRUNCATE login_failures")
        assert (await forget(client, email)).status_code == 202

    known, unknown = acme.people["owner"].email, "nobody@nowhere.example"
    assert await difference(lambda: attempt(known), lambda: attempt(unknown), calls=25) < 0.1


async def test_sec_password_account_09_a_reset_link_works_once_within_an_hour_and_signs_out(
    client: httpx.AsyncClient,
    house: House,
    acme: Organisation,
    clock: FakeClock,
    admin: asyncpg.Connection,
) -> None:
    owner, held = acme.people["owner"], await sign_in(client, acme)
    late = await asked_for_reset(client, house, admin, owner.email)
    clock.advance(minutes=61)
    assert (await reset(client, late)).status_code == 404
    held = await sign_in(client, acme)
    first = await asked_for_reset(client, house, admin, owner.email)
    second = await asked_for_reset(client, house, admin, owner.email)
    answer = await reset(client, second)
    assert answer.status_code == 200, answer.text
    assert "access_token" not in answer.text
    assert await status(client, held) == 401
    for used in (second, first):
        assert (await reset(client, used, "another green umbrella")).status_code == 404
    assert await login(client, owner.email, PASSWORD) == 401
    assert await login(client, owner.email, NEW) == 200
    kept = await admin.fetchval(
        "SELECT count(*) FROM mail_links WHERE tenant_id = $1 AND purpose = 'reset'", acme.id
    )
    assert kept == 0


async def test_sec_password_account_09_a_link_serves_one_purpose_and_is_kept_as_a_hash(
    client: httpx.AsyncClient, house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    token = await asked_for_reset(client, house, admin, acme.people["owner"].email)
    for path, body in (
        ("/v1/auth/verify-email", {"token": token}),
        ("/v1/auth/email/confirm", {"token": token}),
        ("/v1/auth/invitations/accept", {"token": token, "password": NEW}),
    ):
        assert (await client.post(path, json=body)).status_code == 404, path
    rows = await admin.fetch("SELECT * FROM mail_links WHERE tenant_id = $1", acme.id)
    assert rows
    assert all(token not in str(dict(row)) for row in rows)


@pytest.mark.parametrize("state", ["disabled", "expired"])
async def test_sec_password_account_11_a_closed_account_gets_no_link_and_uses_none(
    client: httpx.AsyncClient,
    house: House,
    acme: Organisation,
    clock: FakeClock,
    admin: asyncpg.Connection,
    state: str,
) -> None:
    viewer = acme.people["viewer"]
    token = await asked_for_reset(client, house, admin, viewer.email)
    if state == "disabled":
        await admin.execute("UPDATE users SET status = 'disabled' WHERE id = $1", viewer.id)
    else:
        await admin.execute(
            "UPDATE users SET expires_at = $2 WHERE id = $1", viewer.id, clock.now()
        )
    assert (await reset(client, token)).status_code == 404
    before = len(await letters_to(admin, viewer.email))
    assert (await forget(client, viewer.email)).status_code == 202
    await work_off(house, admin, SEND_RESET)
    assert len(await letters_to(admin, viewer.email)) == before


async def test_a_link_to_an_address_one_had_before_resets_nothing(
    client: httpx.AsyncClient, house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    viewer = acme.people["viewer"]
    token = await asked_for_reset(client, house, admin, viewer.email)
    await admin.execute("UPDATE users SET email = 'moved@x.example' WHERE id = $1", viewer.id)
    assert (await reset(client, token)).status_code == 404


async def test_someone_in_several_organisations_gets_a_link_for_each_or_for_one(
    client: httpx.AsyncClient,
    house: House,
    acme: Organisation,
    globex: Organisation,
    admin: asyncpg.Connection,
) -> None:
    email = acme.people["owner"].email
    await add_person(house, globex, email=email, role="owner")
    await forget(client, email)
    assert await work_off(house, admin, SEND_RESET) == 2
    texts = " ".join(text for _, text in await letters_to(admin, email))
    assert acme.tenant.display_name in texts
    assert globex.tenant.display_name in texts
    await forget(client, email, tenant_id=globex.tenant.slug)
    assert await work_off(house, admin, SEND_RESET) == 1


async def test_sec_rate_limit_dos_01_resets_are_limited_for_an_account_and_an_address(
    client: httpx.AsyncClient, doors: Doors
) -> None:
    answers = [await forget(client, "victim@x.example") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [202] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert answers[-1].headers["x-ratelimit-remaining"] == "0"
    assert answers[-1].headers.get_list("retry-after") == [answers[-1].headers["retry-after"]]
    async with coming_from(doors, "198.51.100.7") as elsewhere:
        assert (await forget(elsewhere, "victim@x.example")).status_code == 429
    many = [await forget(client, f"person{n}@x.example") for n in range(20)]
    assert many[-1].status_code == 429


async def test_sec_rate_limit_dos_01_made_up_links_are_limited_for_an_address(
    client: httpx.AsyncClient, acme: Organisation, house: House, admin: asyncpg.Connection
) -> None:
    token = await asked_for_reset(client, house, admin, acme.people["owner"].email)
    answers = [(await reset(client, "0" * 65)).status_code for _ in range(21)]
    assert answers == [404] * 20 + [429]
    # A link that is right is no guess.
    assert (await reset(client, token)).status_code == 200
