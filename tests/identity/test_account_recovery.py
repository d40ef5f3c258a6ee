"""An owner who throws an intruder out of their account: nothing the intruder began goes on."""

from uuid import uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.identity.account.passwords import SEND_RESET
from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_mail import link_to, work_off
from tests.identity.given_sessions import bearer, sign_in
from tests.identity.mfa.given_factors import totp_code

NEW = "a fine long sentence to remember"


async def reset_link(
    client: httpx.AsyncClient, house: House, admin: asyncpg.Connection, email: str
) -> str:
    asked = await client.post("/v1/auth/password/forgot", json={"email": email})
    assert asked.status_code == 202, asked.text
    await work_off(house, admin, SEND_RESET)
    return await link_to(admin, email, "reset")


async def wanted_address(
    client: httpx.AsyncClient, admin: asyncpg.Connection, tokens: dict[str, str]
) -> str:
    """The link an intruder got for an address of theirs."""
    wanted = f"intruder-{uuid4().hex[:10]}@people.example"
    asked = await client.post(
        "/v1/auth/email/change", json={"new_email": wanted}, headers=bearer(tokens)
    )
    assert asked.status_code == 202, asked.text
    return await link_to(admin, wanted, "confirm-email")


@pytest.mark.parametrize("way", ["change", "reset", "sign out", "second factor", "disable"])
async def test_sec_password_account_10_an_intruder_s_new_address_dies_with_their_session(
    client: httpx.AsyncClient,
    house: House,
    acme: Organisation,
    admin: asyncpg.Connection,
    way: str,
) -> None:
    person = acme.people["developer"]
    intruder = await sign_in(client, acme, "developer")
    link = await wanted_address(client, admin, intruder)
    chief = await acme.headers(client)
    if way == "change":
        own = bearer(await sign_in(client, acme, "developer"))
        body = {"current_password": person.password, "new_password": NEW}
        done = await client.post("/v1/auth/password/change", json=body, headers=own)
    elif way == "reset":
        token = await reset_link(client, house, admin, person.email)
        body = {"token": token, "password": NEW}
        done = await client.post("/v1/auth/password/reset", json=body)
    elif way == "sign out":
        own = bearer(await sign_in(client, acme, "developer"))
        done = await client.post("/v1/auth/logout-all", headers=own)
    elif way == "second factor":
        done = await client.post(f"/v1/users/{person.id}/mfa/reset", headers=chief)
    else:
        for status in ("disabled", "active"):
            done = await client.patch(
                f"/v1/users/{person.id}", json={"status": status}, headers=chief
            )
    assert done.status_code == 200, done.text
    followed = await client.post("/v1/auth/email/confirm", json={"token": link})
    assert followed.status_code == 404, followed.text


async def test_sec_password_account_09_a_changed_password_ends_links_to_set_another(
    client: httpx.AsyncClient, house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    person = acme.people["developer"]
    own = bearer(await sign_in(client, acme, "developer"))
    token = await reset_link(client, house, admin, person.email)
    body = {"current_password": person.password, "new_password": NEW}
    done = await client.post("/v1/auth/password/change", json=body, headers=own)
    assert done.status_code == 200, done.text
    late = await client.post(
        "/v1/auth/password/reset", json={"token": token, "password": f"{NEW} twice"}
    )
    assert late.status_code == 404


async def test_sec_password_account_09_a_squatter_s_second_factor_goes_when_the_bearer_comes(
    client: httpx.AsyncClient, house: House, admin: asyncpg.Connection, clock: FakeClock
) -> None:
    email, known = f"squatted-{uuid4().hex[:10]}@people.example", "what the squatter knows"
    made = await client.post("/v1/users", json={"email": email, "password": known})
    assert made.status_code == 201, made.text
    squatter = await client.post("/v1/auth/login", json={"email": email, "password": known})
    held = bearer(squatter.json())
    begun = await client.post("/v1/auth/mfa/setup", json={"method": "totp"}, headers=held)
    code = totp_code(begun.json()["secret"], clock)
    done = await client.post(
        "/v1/auth/mfa/verify", json={"method": "totp", "code": code}, headers=held
    )
    assert done.status_code == 200, done.text
    token = await reset_link(client, house, admin, email)
    reset = await client.post("/v1/auth/password/reset", json={"token": token, "password": NEW})
    assert reset.status_code == 200, reset.text
    own = await client.post("/v1/auth/login", json={"email": email, "password": NEW})
    assert own.status_code == 200, own.text
    left = (await client.get("/v1/auth/mfa", headers=bearer(own.json()))).json()
    assert (left["data"], left["backup_codes_left"]) == ([], 0), left
