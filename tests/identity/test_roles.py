"""Roles a tenant makes of permissions, and who may give which."""

import json
from typing import Any

import asyncpg
import httpx

from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation
from tests.identity.saml.provider import connect

WORK = ["project:read", "project:create", "task:read", "task:create"]


async def make_role(
    client: httpx.AsyncClient,
    headers: dict[str, str],
    name: str = "release-manager",
    permissions: list[str] | None = None,
) -> httpx.Response:
    body = {"name": name, "permissions": WORK if permissions is None else permissions}
    return await client.post("/v1/roles", json=body, headers=headers)


async def enter(client: httpx.AsyncClient, email: str) -> dict[str, str]:
    answer = await client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def add_with_role(
    client: httpx.AsyncClient, headers: dict[str, str], role: str, email: str
) -> str:
    body = {"email": email, "role": role, "password": PASSWORD}
    answer = await client.post("/v1/users", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def somebody(acme: Organisation, name: str) -> str:
    return f"{name}@{acme.people['owner'].email.partition('@')[2]}"


async def test_a_made_role_lets_its_people_do_what_it_holds_and_no_more(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    admin = await acme.headers(client, "admin")
    made = await make_role(client, admin)
    assert made.status_code == 201, made.text
    assert made.json()["permissions"] == sorted([*WORK, "self"])

    await add_with_role(client, admin, "release-manager", somebody(acme, "rita"))
    rita = await enter(client, somebody(acme, "rita"))
    me = (await client.get("/v1/auth/me", headers=rita)).json()
    assert (me["role"], me["permissions"]) == ("release-manager", sorted([*WORK, "self"]))
    created = await client.post("/v1/projects", json={"name": "one"}, headers=rita)
    assert created.status_code == 201
    gone = await client.delete(f"/v1/projects/{created.json()['id']}", headers=rita)
    assert gone.status_code == 403
    assert gone.json()["details"]["required_permission"] == "project:delete"


async def test_sec_rbac_03_a_permission_that_is_taken_from_a_role_is_refused_at_the_next_request(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    admin = await acme.headers(client, "admin")
    role = (await make_role(client, admin)).json()
    await add_with_role(client, admin, role["name"], somebody(acme, "rita"))
    rita = await enter(client, somebody(acme, "rita"))
    assert (await client.get("/v1/tasks", headers=rita)).status_code == 200

    less = {"permissions": ["project:read"]}
    changed = await client.patch(f"/v1/roles/{role['id']}", json=less, headers=admin)
    assert changed.status_code == 200, changed.text
    assert (await client.get("/v1/tasks", headers=rita)).status_code == 403
    assert (await client.get("/v1/projects", headers=rita)).status_code == 200

    removed = await client.delete(
        f"/v1/roles/{role['id']}", params={"replacement": "guest"}, headers=admin
    )
    assert removed.status_code == 204, removed.text
    assert (await client.get("/v1/tasks", headers=rita)).status_code == 200
    assert (await client.get("/v1/auth/me", headers=rita)).json()["role"] == "guest"


async def test_sec_rbac_03_another_role_holds_for_tokens_that_live(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    admin = await acme.headers(client, "admin")
    assert (await make_role(client, admin, "before")).status_code == 201
    path = f"/v1/users/{acme.people['admin'].id}"
    assert (await client.patch(path, json={"role": "viewer"}, headers=owner)).status_code == 200
    assert (await make_role(client, admin, "after")).status_code == 403


async def test_a_role_that_is_gone_behind_our_back_permits_nothing(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client, "admin")
    await make_role(client, headers)
    await add_with_role(client, headers, "release-manager", somebody(acme, "rita"))
    rita = await enter(client, somebody(acme, "rita"))
    await admin.execute("DELETE FROM roles WHERE tenant_id = $1", acme.id)
    for path in ("/v1/auth/me", "/v1/projects", "/v1/tasks", "/v1/users"):
        assert (await client.get(path, headers=rita)).status_code == 403, path


async def test_nobody_makes_a_role_of_more_than_they_hold(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    admin = await acme.headers(client, "admin")
    beyond = await make_role(client, admin, permissions=["tenant:delete"])
    assert beyond.status_code == 403
    assert beyond.json()["details"]["withheld"] == ["tenant:delete"]
    owner = await acme.headers(client)
    assert (await make_role(client, owner, permissions=["tenant:delete"])).status_code == 201
    for reaching in ("tenant:administer_all", "audit:read_all"):
        assert (await make_role(client, owner, "all", [reaching])).status_code == 403, reaching
    assert (await make_role(client, owner, "odd", ["tasks:fly"])).status_code == 400


async def test_a_made_role_is_given_only_by_who_holds_all_of_it(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    admin = await acme.headers(client, "admin")
    await make_role(client, owner, "closer", ["user:read", "tenant:delete"])
    await make_role(client, owner, "greeter", ["user:read", "user:create", "project:read"])
    email = somebody(acme, "neu")
    refused = await client.post("/v1/users", json={"email": email, "role": "closer"}, headers=admin)
    assert refused.status_code == 403

    await add_with_role(client, owner, "greeter", somebody(acme, "greta"))
    greta = await enter(client, somebody(acme, "greta"))
    for role, status in (("admin", 403), ("developer", 403), ("closer", 403), ("greeter", 201)):
        new = {"email": somebody(acme, f"by-greta-{role}"), "role": role}
        answer = await client.post("/v1/users", json=new, headers=greta)
        assert answer.status_code == status, role


async def test_a_made_role_with_everything_makes_no_owner_and_changes_none(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    everything = (await client.get("/v1/auth/me", headers=owner)).json()["permissions"]
    await make_role(client, owner, "deputy", everything)
    await add_with_role(client, owner, "deputy", somebody(acme, "dora"))
    dora = await enter(client, somebody(acme, "dora"))
    new = {"email": somebody(acme, "second"), "role": "owner"}
    assert (await client.post("/v1/users", json=new, headers=dora)).status_code == 403
    path = f"/v1/users/{acme.people['owner'].id}"
    changed = await client.patch(path, json={"status": "disabled"}, headers=dora)
    assert changed.status_code == 403
    mine = await client.patch(
        f"/v1/users/{(await client.get('/v1/auth/me', headers=dora)).json()['id']}",
        json={"role": "owner"},
        headers=dora,
    )
    assert mine.status_code == 403


async def test_a_role_that_holds_more_than_mine_is_not_mine_to_change(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    role = (await make_role(client, owner, "closer", ["tenant:delete"])).json()
    admin = await acme.headers(client, "admin")
    path = f"/v1/roles/{role['id']}"
    assert (await client.patch(path, json={"permissions": []}, headers=admin)).status_code == 403
    assert (await client.delete(path, headers=admin)).status_code == 403


async def test_a_role_in_use_is_deleted_only_for_another(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    admin = await acme.headers(client, "admin")
    role = (await make_role(client, admin)).json()
    await add_with_role(client, admin, role["name"], somebody(acme, "rita"))
    path = f"/v1/roles/{role['id']}"
    in_use = await client.delete(path, headers=admin)
    assert (in_use.status_code, in_use.json()["details"]["field"]) == (409, "replacement")
    for replacement, status in (("emperor", 400), (role["name"], 400), ("owner", 403)):
        answer = await client.delete(path, params={"replacement": replacement}, headers=admin)
        assert answer.status_code == status, replacement
    assert (
        await client.delete(path, params={"replacement": "viewer"}, headers=admin)
    ).status_code == 204
    roles = (await client.get("/v1/roles", headers=admin)).json()["data"]
    counts = {one["name"]: one["users_count"] for one in roles}
    assert role["name"] not in counts
    assert counts["viewer"] == 2


async def test_a_role_that_a_provider_s_rule_gives_is_in_use_and_its_guests_leave_in_time(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    admin = await acme.headers(client, "admin")
    role = (await make_role(client, admin)).json()
    rules = [
        {"claim": "groups", "value": "leads", "role": role["name"]},
        {"claim": "groups", "value": "staff", "role": "viewer"},
    ]
    corp = await connect(client, acme, role_mapping=rules)
    path = f"/v1/roles/{role['id']}"
    in_use = await client.delete(path, headers=admin)
    assert in_use.status_code == 409, in_use.text
    assert in_use.json()["details"]["in_use"]["providers"] == 1

    rita = await add_with_role(client, admin, role["name"], somebody(acme, "rita"))
    gone = await client.delete(path, params={"replacement": "guest"}, headers=admin)
    assert gone.status_code == 204, gone.text
    shown = await client.get(f"/v1/auth/sso/providers/{corp.provider_id}", headers=admin)
    assert [rule["role"] for rule in shown.json()["role_mapping"]] == ["guest", "viewer"]
    guest = (await client.get(f"/v1/users/{rita}", headers=admin)).json()
    assert guest["role"] == "guest"
    assert guest["expires_at"] is not None


async def test_names_are_unique_in_a_tenant_and_never_those_of_the_product(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    admin = await acme.headers(client, "admin")
    assert (await make_role(client, admin)).status_code == 201
    assert (await make_role(client, admin)).status_code == 409
    assert (await make_role(client, admin, "owner")).status_code == 409
    assert (await make_role(client, await globex.headers(client))).status_code == 201
    for name in ("A", "Über", "two words", "x" * 41, "-x", ""):
        assert (await make_role(client, admin, name)).status_code == 400, name


async def test_roles_are_listed_with_what_the_reader_may_give(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    await make_role(client, owner, "closer", ["tenant:delete"])
    viewer = await acme.headers(client, "viewer")
    listed = (await client.get("/v1/roles", headers=viewer)).json()["data"]
    assert [role["name"] for role in listed] == [
        "owner", "admin", "manager", "developer", "viewer", "guest", "closer",
    ]  # fmt: skip
    assert {role["name"] for role in listed if role["assignable"]} == {"viewer", "guest"}
    assert listed[0]["built_in"]
    assert listed[0]["id"] is None
    guest = await client.get("/v1/roles", headers=await acme.headers(client, "guest"))
    assert guest.status_code == 403


async def test_making_a_role_asks_for_a_fresh_proof(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock
) -> None:
    admin = await acme.headers(client, "admin")
    clock.advance(minutes=11)
    refused = await make_role(client, admin)
    assert (refused.status_code, refused.json()["details"]["reason"]) == (403, "step_up_required")


async def test_a_key_gives_no_administrator_s_role_that_its_own_scopes_do_not_hold(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    admin = await acme.headers(client, "admin")
    made = await client.post(
        "/v1/api-keys", json={"name": "hr", "scopes": ["user:create"]}, headers=admin
    )
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    for role, status in (("admin", 403), ("owner", 403), ("developer", 201)):
        new: dict[str, Any] = {"email": somebody(acme, f"key-{role}"), "role": role}
        assert (await client.post("/v1/users", json=new, headers=key)).status_code == status, role


async def test_what_happens_to_roles_is_told(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client, "admin")
    role = (await make_role(client, headers)).json()
    await client.patch(
        f"/v1/roles/{role['id']}", json={"permissions": ["task:read"]}, headers=headers
    )
    await client.delete(f"/v1/roles/{role['id']}", headers=headers)
    told = await admin.fetch(
        "SELECT name, payload FROM events WHERE tenant_id = $1 AND name LIKE 'role.%' ORDER BY id",
        acme.id,
    )
    assert [row["name"] for row in told] == ["role.created", "role.updated", "role.deleted"]
    change = json.loads(told[1]["payload"])
    assert (change["added"], change["removed"]) == (
        [],
        ["project:create", "project:read", "task:create"],
    )


async def test_a_name_that_is_no_role_s_is_told_in_words(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    refused = await make_role(client, await acme.headers(client), "Prüfer", ["audit:read"])
    assert refused.status_code == 400
    assert refused.json()["details"]["validation_errors"] == [
        "name: takes a-z, 0-9, - and _ only, such as release-manager"
    ]
