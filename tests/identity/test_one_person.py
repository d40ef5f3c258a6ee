"""Who is one person in two organisations, and may move between them: nobody by trickery."""

from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from leanvibe_server.identity.account.passwords import SEND_RESET
from leanvibe_server.kernel.house import House
from leanvibe_server.wiring import Doors
from tests.given import PASSWORD, Organisation, fresh_email
from tests.identity.given_mail import link_to, work_off
from tests.identity.given_people import add_person
from tests.identity.given_scim import patch_of, provisioner
from tests.identity.given_sessions import bearer, status

KNOWN = "what the intruder knows"
OWN = "a sentence of one's own"


@pytest.fixture(autouse=True)
async def _room(admin: asyncpg.Connection, globex: Organisation) -> None:
    """A plan with room for more than one."""
    await admin.execute("UPDATE tenants SET plan = 'team' WHERE id = $1", globex.id)


async def login(
    client: httpx.AsyncClient, email: str, password: str, organisation: Organisation
) -> dict[str, Any]:
    body = {"email": email, "password": password, "tenant_id": str(organisation.id)}
    answer = await client.post("/v1/auth/login", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def move(
    client: httpx.AsyncClient, tokens: dict[str, Any], organisation: Organisation
) -> httpx.Response:
    body = {"tenant_id": str(organisation.id)}
    return await client.post("/v1/auth/switch-tenant", json=body, headers=bearer(tokens))


async def invited(
    client: httpx.AsyncClient, admin: asyncpg.Connection, organisation: Organisation, email: str
) -> str:
    """Somebody who has followed an invitation; their id."""
    headers = await organisation.headers(client)
    made = await client.post("/v1/users", json={"email": email}, headers=headers)
    assert made.status_code == 201, made.text
    body = {"token": await link_to(admin, email, "invitations"), "password": OWN}
    accepted = await client.post("/v1/auth/invitations/accept", json=body)
    assert accepted.status_code == 200, accepted.text
    return str(made.json()["id"])


async def test_sec_tenant_isolation_api_04_an_address_entered_as_one_s_own_leads_to_nobody_s_tenant(
    client: httpx.AsyncClient,
    house: House,
    acme: Organisation,
    globex: Organisation,
    admin: asyncpg.Connection,
) -> None:
    victim, intruder = fresh_email(), fresh_email()
    await invited(client, admin, acme, victim)
    await add_person(house, globex, email=intruder, role="viewer", password=KNOWN)
    tokens = await login(client, intruder, KNOWN, globex)
    asked = await client.post(
        "/v1/auth/email/change", json={"new_email": victim}, headers=bearer(tokens)
    )
    assert asked.status_code == 202, asked.text
    # The victim presses the button in the mail.
    token = await link_to(admin, victim, "confirm-email")
    pressed = await client.post("/v1/auth/email/confirm", json={"token": token})
    assert pressed.status_code == 200, pressed.text
    assert (await move(client, tokens, acme)).status_code == 404
    assert (await move(client, await login(client, victim, KNOWN, globex), acme)).status_code == 404


async def test_sec_tenant_isolation_api_04_an_account_made_for_somebody_leads_to_none_of_theirs(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation, admin: asyncpg.Connection
) -> None:
    victim = fresh_email()
    body = {"email": victim, "password": KNOWN}
    await client.post("/v1/users", json=body, headers=await globex.headers(client))
    tokens = await login(client, victim, KNOWN, globex)
    await client.post("/v1/auth/verify-email/resend", headers=bearer(tokens))
    token = await link_to(admin, victim, "verify-email")
    pressed = await client.post("/v1/auth/verify-email", json={"token": token})
    assert pressed.status_code == 200, pressed.text
    # Whether the victim joins the other organisation before or after.
    await invited(client, admin, acme, victim)
    assert (await move(client, tokens, acme)).status_code == 404


async def test_sec_tenant_isolation_api_04_an_address_changed_by_provisioning_leads_nowhere(
    client: httpx.AsyncClient,
    doors: Doors,
    acme: Organisation,
    globex: Organisation,
    admin: asyncpg.Connection,
) -> None:
    victim, intruder = fresh_email(), fresh_email()
    await invited(client, admin, globex, victim)
    user_id = await invited(client, admin, acme, victim)
    assert (await move(client, await login(client, victim, OWN, acme), globex)).status_code == 200
    change = {"op": "replace", "value": {"userName": intruder}}
    async with provisioner(doors, acme) as provider:
        patched = await provider.patch(f"/Users/{user_id}", json=patch_of(change))
    assert patched.status_code == 200, patched.text
    tokens = await login(client, intruder, OWN, acme)
    assert (await move(client, tokens, globex)).status_code == 404


async def test_sec_tenant_isolation_api_04_an_invitation_is_good_for_the_address_it_went_to(
    client: httpx.AsyncClient,
    doors: Doors,
    acme: Organisation,
    globex: Organisation,
    admin: asyncpg.Connection,
) -> None:
    victim, intruder = fresh_email(), fresh_email()
    await invited(client, admin, globex, victim)
    headers = await acme.headers(client)
    made = await client.post("/v1/users", json={"email": intruder}, headers=headers)
    token = await link_to(admin, intruder, "invitations")
    change = {"op": "replace", "value": {"userName": victim}}
    async with provisioner(doors, acme) as provider:
        patched = await provider.patch(f"/Users/{made.json()['id']}", json=patch_of(change))
    assert patched.status_code == 200, patched.text
    body = {"token": token, "password": KNOWN}
    accepted = await client.post("/v1/auth/invitations/accept", json=body)
    assert accepted.status_code == 404, accepted.text


async def test_sec_tenant_isolation_api_04_a_session_without_the_password_moves_nowhere(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation, admin: asyncpg.Connection
) -> None:
    victim = fresh_email()
    await invited(client, admin, globex, victim)
    await invited(client, admin, acme, victim)
    tokens = await login(client, victim, OWN, acme)
    await admin.execute(
        "UPDATE sessions SET amr = '{hwk,user,mfa}' WHERE user_id = $1 AND ended_at IS NULL",
        UUID(tokens["user"]["id"]),
    )
    refused = await move(client, tokens, globex)
    assert refused.status_code == 403, refused.text
    assert refused.json()["details"]["reason"] == "password_needed"


async def test_who_sets_a_new_password_by_mail_is_one_person_again(
    client: httpx.AsyncClient,
    house: House,
    acme: Organisation,
    globex: Organisation,
    admin: asyncpg.Connection,
) -> None:
    person = fresh_email()
    await invited(client, admin, globex, person)
    body = {"email": person, "password": PASSWORD}
    await client.post("/v1/users", json=body, headers=await acme.headers(client))
    tokens = await login(client, person, PASSWORD, acme)
    assert (await move(client, tokens, globex)).status_code == 404
    asked = {"email": person, "tenant_id": str(acme.id)}
    await client.post("/v1/auth/password/forgot", json=asked)
    await work_off(house, admin, SEND_RESET)
    new = {"token": await link_to(admin, person, "reset"), "password": f"{OWN} too"}
    reset = await client.post("/v1/auth/password/reset", json=new)
    assert reset.status_code == 200, reset.text
    tokens = await login(client, person, f"{OWN} too", acme)
    assert (await move(client, tokens, globex)).status_code == 200


@pytest.mark.parametrize("way", ["change", "reset", "sign out"])
async def test_sec_session_refresh_09_a_session_that_moved_ends_with_the_password_it_came_from(
    client: httpx.AsyncClient,
    house: House,
    acme: Organisation,
    globex: Organisation,
    admin: asyncpg.Connection,
    way: str,
) -> None:
    person = fresh_email()
    await invited(client, admin, globex, person)
    await invited(client, admin, acme, person)
    own = await login(client, person, OWN, globex)
    thief = (await move(client, await login(client, person, OWN, acme), globex)).json()
    held = bearer(await login(client, person, OWN, acme))
    if way == "change":
        body = {"current_password": OWN, "new_password": f"{OWN} again"}
        done = await client.post("/v1/auth/password/change", json=body, headers=held)
    elif way == "reset":
        asked = {"email": person, "tenant_id": str(acme.id)}
        await client.post("/v1/auth/password/forgot", json=asked)
        await work_off(house, admin, SEND_RESET)
        body = {"token": await link_to(admin, person, "reset"), "password": f"{OWN} again"}
        done = await client.post("/v1/auth/password/reset", json=body)
    else:
        done = await client.post("/v1/auth/logout-all", headers=held)
    assert done.status_code == 200, done.text
    assert [await status(client, one) for one in (thief, own)] == [401, 200]
