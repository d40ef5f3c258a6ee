"""Whoever's account changes is told so by mail, once, whoever changed it."""

import asyncpg
import httpx
import pytest

from leanvibe_server.kernel.house import House
from leanvibe_server.wiring import Doors
from tests.given import Organisation
from tests.identity.given_mail import letters_to
from tests.identity.given_providers import add_provider, link_identity
from tests.identity.given_scim import PATCH, provisioner


@pytest.mark.parametrize("by", ["developer", "admin"])
async def test_who_loses_a_linked_account_is_told_who_removed_it(
    client: httpx.AsyncClient, acme: Organisation, house: House, admin: asyncpg.Connection, by: str
) -> None:
    provider = await add_provider(house, acme)
    person = acme.people["developer"]
    linked = await link_identity(house, provider, person.id)
    path = f"/v1/users/{person.id}/identities" if by == "admin" else "/v1/auth/identities"
    gone = await client.delete(f"{path}/{linked}", headers=await acme.headers(client, by))
    assert gone.status_code == 204, gone.text
    ((subject, text),) = await letters_to(admin, person.email)
    assert subject == "A linked account was removed"
    assert provider.name in text
    assert (f"by {acme.people['admin'].email}" in text) == (by == "admin")


async def test_a_new_key_is_told_to_whom_it_acts_as(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client)
    viewer = acme.people["viewer"]
    about = {"name": "Report", "user_id": str(viewer.id), "expires_in_days": 30}
    made = await client.post("/v1/api-keys", json=about, headers=headers)
    ((subject, text),) = await letters_to(admin, viewer.email)
    assert subject == "A new API key acts as you"
    assert f"by {acme.people['owner'].email}" in text
    assert made.json()["key"] not in text
    rotated = await client.post(f"/v1/api-keys/{made.json()['id']}/rotate", headers=headers)
    assert rotated.status_code == 201, rotated.text
    assert len(await letters_to(admin, viewer.email)) == 2


async def test_what_a_program_makes_for_itself_and_for_accounts_floods_nobody(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client)
    about = {"name": "maker", "scopes": ["api_key:manage", "project:read"]}
    maker = (await client.post("/v1/api-keys", json=about, headers=headers)).json()["key"]
    for name in ("one", "two"):
        made = await client.post(
            "/v1/api-keys", json={"name": name}, headers={"Authorization": f"Bearer {maker}"}
        )
        assert made.status_code == 201, made.text
    assert len(await letters_to(admin, acme.people["owner"].email)) == 1


async def test_an_address_that_a_directory_exchanges_is_told_to_the_old_one(
    doors: Doors, acme: Organisation, admin: asyncpg.Connection
) -> None:
    person = acme.people["viewer"]
    moved = f"moved@{acme.id.hex}.example"
    change = {
        "schemas": [PATCH],
        "Operations": [
            {"op": "replace", "value": {"userName": moved, "emails": [{"value": moved}]}}
        ],
    }
    async with provisioner(doors, acme) as idp:
        answer = await idp.patch(f"/Users/{person.id}", json=change)
    assert answer.status_code == 200, answer.text
    ((subject, text),) = await letters_to(admin, person.email)
    assert subject == "Your e-mail address was changed"
    assert moved in text
