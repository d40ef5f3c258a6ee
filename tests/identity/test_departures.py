"""Links that lead in, and what is left of people who go."""

from datetime import timedelta
from uuid import UUID

import asyncpg
import httpx

from leanvibe_server.identity.account.passwords import SEND_RESET
from leanvibe_server.kernel.house import House
from leanvibe_server.wiring import Doors
from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation
from tests.identity.given_mail import letters_to, link_to, work_off
from tests.identity.given_sessions import bearer, coming_from, sign_in
from tests.identity.mfa.authenticator import Key
from tests.identity.mfa.test_webauthn import register

ACCEPT = "/v1/auth/invitations/accept"


async def invited(
    client: httpx.AsyncClient, admin: asyncpg.Connection, acme: Organisation, **more: object
) -> tuple[str, str]:
    """Id and link of somebody who was invited just now."""
    email = f"new@{acme.people['owner'].email.partition('@')[2]}"
    made = await client.post(
        "/v1/users", json={"email": email, **more}, headers=await acme.headers(client)
    )
    assert made.status_code == 201, made.text
    return made.json()["id"], await link_to(admin, email, "invitations")


async def test_who_guesses_at_invitations_waits_at_every_process_and_who_has_one_does_not(
    client: httpx.AsyncClient, doors: Doors, acme: Organisation, admin: asyncpg.Connection
) -> None:
    _, token = await invited(client, admin, acme)
    body = {"token": "lv_made_up", "password": PASSWORD}
    async with coming_from(doors, "203.0.113.91") as stranger:
        codes = [(await stranger.post(ACCEPT, json=body)).status_code for _ in range(22)]
        assert codes[:20] == [404] * 20
        assert codes[-1] == 429
        counted = await admin.fetchval("SELECT max(failures) FROM login_failures")
        assert counted >= 20
        right = await stranger.post(ACCEPT, json={"token": token, "password": PASSWORD})
        assert right.status_code == 200, right.text


async def test_an_invitation_lets_nobody_in_whose_time_is_over(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection, clock: FakeClock
) -> None:
    end = (clock.now() + timedelta(hours=1)).isoformat()
    _, token = await invited(client, admin, acme, role="guest", expires_at=end)
    clock.advance(hours=2)
    late = await client.post(ACCEPT, json={"token": token, "password": PASSWORD})
    assert late.status_code == 404


async def test_a_suspended_organisation_gets_nobody_new_by_invitation(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    _, token = await invited(client, admin, acme)
    set_status = "UPDATE tenants SET status = $2 WHERE id = $1"
    await admin.execute(set_status, acme.id, "suspended")
    refused = await client.post(ACCEPT, json={"token": token, "password": PASSWORD})
    assert (refused.status_code, refused.json()["error"]) == (403, "tenant_suspended")
    await admin.execute(set_status, acme.id, "active")
    taken = await client.post(ACCEPT, json={"token": token, "password": PASSWORD})
    assert taken.status_code == 200, taken.text


async def test_a_forgotten_password_leads_nobody_further_than_their_invitation(
    client: httpx.AsyncClient,
    acme: Organisation,
    house: House,
    admin: asyncpg.Connection,
    clock: FakeClock,
) -> None:
    invited_id, _ = await invited(client, admin, acme)
    email = await admin.fetchval("SELECT email FROM users WHERE id = $1", UUID(invited_id))

    async def ask() -> None:
        await client.post("/v1/auth/password/forgot", json={"email": email})
        await work_off(house, admin, SEND_RESET)

    async def follow() -> int:
        body = {"token": await link_to(admin, email, "reset"), "password": PASSWORD}
        return (await client.post("/v1/auth/password/reset", json=body)).status_code

    await ask()
    await admin.execute("UPDATE tenants SET status = 'suspended' WHERE id = $1", acme.id)
    assert await follow() == 404
    await admin.execute("UPDATE tenants SET status = 'active' WHERE id = $1", acme.id)
    clock.advance(days=8)
    letters = len(await letters_to(admin, email))
    await ask()
    assert len(await letters_to(admin, email)) == letters
    status = await admin.fetchval("SELECT status FROM users WHERE id = $1", UUID(invited_id))
    assert status == "invited"
    owner = await acme.headers(client)
    again = await client.post(f"/v1/users/{invited_id}/invitation", headers=owner)
    assert again.status_code == 200
    await ask()
    assert await follow() == 200


async def test_the_key_of_somebody_who_left_may_be_registered_by_their_next_account(
    client: httpx.AsyncClient, acme: Organisation, house: House
) -> None:
    key, done = await register(client, acme, "developer")
    assert done.status_code == 200
    _, taken = await register(client, acme, "viewer", Key(credential_id=key.credential_id))
    assert taken.status_code == 400
    owner = bearer(await sign_in(client, acme))
    path = f"/v1/users/{acme.people['developer'].id}"
    assert (await client.delete(path, headers=owner)).status_code == 204
    _, free = await register(client, acme, "viewer", Key(credential_id=key.credential_id))
    assert free.status_code == 200, free.text


async def test_links_mailed_before_somebody_was_disabled_lead_in_no_more(
    client: httpx.AsyncClient, acme: Organisation, house: House, admin: asyncpg.Connection
) -> None:
    owner = await acme.headers(client)
    person = acme.people["viewer"]
    await client.post("/v1/auth/password/forgot", json={"email": person.email})
    await work_off(house, admin, "identity.send_reset_link")
    reset = await link_to(admin, person.email, "reset")
    invited_id, invitation = await invited(client, admin, acme)
    for user_id in (str(person.id), invited_id):
        for status in ("disabled", "active"):
            change = await client.patch(
                f"/v1/users/{user_id}", json={"status": status}, headers=owner
            )
            assert change.status_code == 200, change.text
    for path, token in ((ACCEPT, invitation), ("/v1/auth/password/reset", reset)):
        answer = await client.post(path, json={"token": token, "password": "quite another one 7"})
        assert answer.status_code == 404, path
    again = await client.post(f"/v1/users/{invited_id}/invitation", headers=owner)
    assert again.status_code == 200
