"""What those who look after people see of one, and undo."""

import asyncpg
import httpx

from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_providers import add_provider, link_identity
from tests.identity.given_sessions import names_of_events
from tests.identity.mfa.given_factors import enrol


async def test_an_admin_sees_linked_accounts_and_unlinks_one_so_that_its_sessions_end(
    client: httpx.AsyncClient, acme: Organisation, house: House, admin: asyncpg.Connection
) -> None:
    provider = await add_provider(house, acme)
    person = acme.people["developer"]
    identity_id = await link_identity(house, provider, person.id)
    session = await acme.headers(client, "developer")
    await admin.execute(
        "UPDATE sessions SET provider_id = $2 WHERE tenant_id = $1 AND user_id = $3",
        acme.id,
        provider.id,
        person.id,
    )
    headers = await acme.headers(client, "admin")
    path = f"/v1/users/{person.id}/identities"
    listed = (await client.get(path, headers=headers)).json()["data"]
    assert [one["id"] for one in listed] == [str(identity_id)]
    assert listed[0]["provider_name"] == provider.name
    assert listed[0]["subject"]
    gone = await client.delete(f"{path}/{identity_id}", headers=headers)
    assert gone.status_code == 204, gone.text
    assert (await client.get("/v1/projects", headers=session)).status_code == 401
    assert (await client.get(path, headers=headers)).json()["data"] == []
    again = await client.delete(f"{path}/{identity_id}", headers=headers)
    assert again.status_code == 404
    assert "identity.unlinked" in await names_of_events(admin, acme)


async def test_nobody_unlinks_the_account_of_somebody_above_or_of_another_person(
    client: httpx.AsyncClient, acme: Organisation, house: House, clock: FakeClock
) -> None:
    provider = await add_provider(house, acme)
    of_owner = await link_identity(house, provider, acme.people["owner"].id)
    headers = await acme.headers(client, "admin")
    owner, viewer = acme.people["owner"].id, acme.people["viewer"].id
    above = await client.delete(f"/v1/users/{owner}/identities/{of_owner}", headers=headers)
    assert above.status_code == 403
    other = await client.delete(f"/v1/users/{viewer}/identities/{of_owner}", headers=headers)
    assert other.status_code == 404
    for role in ("manager", "viewer", "guest"):
        low = await acme.headers(client, role)
        seen = await client.get(f"/v1/users/{owner}/identities", headers=low)
        assert seen.status_code == 403, role
    clock.advance(minutes=11)
    stale = await client.delete(f"/v1/users/{owner}/identities/{of_owner}", headers=headers)
    assert stale.json()["details"]["reason"] == "step_up_required"


async def test_factors_and_groups_of_a_person_are_seen_without_a_secret(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    await enrol(client, acme, clock, "developer")
    headers = await acme.headers(client, "admin")
    person = f"/v1/users/{acme.people['developer'].id}"
    factors = (await client.get(f"{person}/mfa", headers=headers)).json()
    assert [one["method"] for one in factors["data"]] == ["totp"]
    assert factors["backup_codes_left"] == 8
    assert "secret" not in str(factors)
    assert (
        await client.get(f"{person}/mfa", headers=await acme.headers(client, "viewer"))
    ).status_code == 403
    for name in ("Zebras", "apes"):
        group = (await client.post("/v1/groups", json={"name": name}, headers=headers)).json()
        body = {"user_ids": [str(acme.people["developer"].id)]}
        await client.post(f"/v1/groups/{group['id']}/members", json=body, headers=headers)
    groups = (await client.get(f"{person}/groups", headers=headers)).json()["data"]
    assert [(one["name"], one["members_count"]) for one in groups] == [("apes", 1), ("Zebras", 1)]


async def test_sec_rbac_04_roles_on_projects_one_may_not_see_are_left_out(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    person = acme.people["developer"]
    ids = {}
    for name, visibility in (("open", "organization"), ("secret", "members")):
        made = await client.post(
            "/v1/projects", json={"name": name, "visibility": visibility}, headers=owner
        )
        ids[name] = made.json()["id"]
        put = await client.put(
            f"/v1/projects/{ids[name]}/members/{person.id}",
            json={"role": "manager"},
            headers=owner,
        )
        assert put.status_code == 200, put.text
    path = f"/v1/users/{person.id}/projects"
    everything = (await client.get(path, headers=owner)).json()["data"]
    assert {(one["project_name"], one["role"]) for one in everything} == {
        ("open", "manager"), ("secret", "manager"),
    }  # fmt: skip
    viewer = await acme.headers(client, "viewer")
    seen = (await client.get(path, headers=viewer)).json()["data"]
    assert [one["project_name"] for one in seen] == ["open"]
    first = (await client.get(path, params={"limit": 1}, headers=owner)).json()
    assert first["has_more"] is True
    guest = await acme.headers(client, "guest")
    assert (await client.get(path, headers=guest)).status_code == 403
