"""One's own name: changed by oneself, unless a directory keeps it."""

import asyncpg
import httpx
import pytest

from tests.given import Organisation
from tests.identity.given_scim import add, patch

ME = "/v1/auth/me"


async def test_a_guest_changes_their_own_name_and_everybody_reads_it(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client, "guest")
    answer = await client.patch(ME, json={"username": "Ada\nLovelace "}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["username"] == "Ada Lovelace"
    assert answer.json().keys() == (await client.get(ME, headers=headers)).json().keys()
    guest = acme.people["guest"].id
    owner = await acme.headers(client)
    seen = await client.get(f"/v1/users/{guest}", headers=owner)
    assert seen.json()["username"] == "Ada Lovelace"
    asked = {"event_type": "user.updated", "actor_id": str(guest)}
    log = (await client.get("/v1/admin/audit/auth", params=asked, headers=owner)).json()["data"]
    assert len(log) == 1
    assert "Ada Lovelace" in str(log)


async def test_what_is_not_named_stays_and_no_other_field_is_ones_own_to_change(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client, "guest")
    before = (await client.get(ME, headers=headers)).json()
    body = {"role": "owner", "email": "x@y.example", "status": "disabled", "expires_at": None}
    answer = await client.patch(ME, json=body, headers=headers)
    assert answer.status_code == 200
    changing = {"session"}
    assert {k: v for k, v in answer.json().items() if k not in changing} == {
        k: v for k, v in before.items() if k not in changing
    }


@pytest.mark.parametrize("name", ["", " ", "\u202e", "x" * 65])
async def test_a_name_that_cannot_be_read_is_refused(
    client: httpx.AsyncClient, acme: Organisation, name: str
) -> None:
    headers = await acme.headers(client, "viewer")
    answer = await client.patch(ME, json={"username": name}, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["details"]["validation_errors"][0].startswith("username")


async def test_a_key_is_nobodys_own(client: httpx.AsyncClient, acme: Organisation) -> None:
    owner = await acme.headers(client)
    key = (await client.post("/v1/api-keys", json={"name": "k"}, headers=owner)).json()["key"]
    bearer = {"Authorization": f"Bearer {key}"}
    answer = await client.patch(ME, json={"username": "Machine"}, headers=bearer)
    assert answer.status_code == 403
    assert (await client.get(ME, headers=owner)).json()["username"] == "owner"


async def test_a_name_that_a_directory_keeps_is_changed_there_only(
    client: httpx.AsyncClient, idp: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    viewer = acme.people["viewer"].id
    mine = await acme.headers(client, "viewer")
    assert (await client.patch(ME, json={"username": "Mine"}, headers=mine)).status_code == 200
    change = {"op": "replace", "path": "displayName", "value": "Theirs"}
    assert (await patch(idp, f"/Users/{viewer}", change)).status_code == 200
    owner = await acme.headers(client)
    for path, headers in ((ME, mine), (f"/v1/users/{viewer}", owner)):
        answer = await client.patch(path, json={"username": "Other"}, headers=headers)
        assert answer.status_code == 409, path
        assert answer.json()["details"] == {"field": "username", "reason": "name_provisioned"}
    # What does not change the name goes on.
    same = {"username": "Theirs", "role": "guest"}
    assert (await client.patch(f"/v1/users/{viewer}", json=same, headers=owner)).status_code == 200
    await admin.execute("UPDATE scim_tokens SET revoked_at = now() WHERE tenant_id = $1", acme.id)
    again = await client.patch(ME, json={"username": "Mine"}, headers=mine)
    assert again.json()["username"] == "Mine"


async def test_the_name_of_somebody_else_is_not_kept_by_the_directory_of_another_tenant(
    client: httpx.AsyncClient, idp: httpx.AsyncClient, globex: Organisation
) -> None:
    await add(idp, displayName="A")
    headers = await globex.headers(client)
    answer = await client.patch(ME, json={"username": "Boss"}, headers=headers)
    assert answer.json()["username"] == "Boss"
