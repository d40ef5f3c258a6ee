"""Provisioning by SCIM 2.0: people who come and go, tokens, and the bounds of both."""

import time
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.identity import users
from leanvibe_server.wiring import Doors
from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation
from tests.identity.given_scim import (
    ENTERPRISE,
    USER,
    add,
    add_scim_token,
    patch,
    person,
    provisioner,
    refused,
)


async def test_a_person_is_added_read_replaced_and_taken_out(
    idp: httpx.AsyncClient, client: httpx.AsyncClient, acme: Organisation
) -> None:
    made = await add(
        idp,
        externalId="e-1",
        name={"givenName": "Ada", "familyName": "Lovelace"},
        emails=[{"value": "ada@work.example", "type": "work", "primary": True}],
        **{ENTERPRISE: {"department": "Engines"}},
    )
    assert (made["active"], made["externalId"]) == (True, "e-1")
    assert made[ENTERPRISE] == {"department": "Engines"}
    path = f"/Users/{made['id']}"
    assert made["meta"]["location"].endswith(f"/scim/v2/{acme.tenant.slug}{path}")
    got = await idp.get(path)
    assert got.json() == made
    assert got.headers["etag"] == made["meta"]["version"]
    replaced = await idp.put(path, json=person(userName=made["userName"], displayName="Ada L."))
    assert replaced.json()["displayName"] == "Ada L."
    assert "externalId" not in replaced.json()
    headers = await acme.headers(client)
    shown = (await client.get(f"/v1/users/{made['id']}", headers=headers)).json()
    assert (shown["username"], shown["role"], shown["status"]) == ("Ada L.", "developer", "active")
    assert (await idp.delete(path)).status_code == 204
    refused(await idp.get(path), 404)
    refused(await idp.delete(path), 404)
    shown = (await client.get(f"/v1/users/{made['id']}", headers=headers)).json()
    assert shown["status"] == "disabled"


async def test_who_was_taken_out_can_come_back_with_the_rights_of_a_newcomer(
    idp: httpx.AsyncClient, client: httpx.AsyncClient, acme: Organisation
) -> None:
    who = acme.people["admin"]
    assert (await idp.delete(f"/Users/{who.id}")).status_code == 204
    back = await add(idp, userName=who.email)
    assert back["id"] == str(who.id)
    assert back["roles"] == [{"value": "developer", "primary": True}]


async def test_a_name_is_borne_once(idp: httpx.AsyncClient, acme: Organisation) -> None:
    made = await add(idp)
    for name in (made["userName"], made["userName"].upper(), acme.people["viewer"].email):
        refused(await idp.post("/Users", json=person(userName=name)), 409, "uniqueness")
    other = await add(idp)
    answer = await patch(
        idp,
        f"/Users/{other['id']}",
        {"op": "replace", "path": "userName", "value": made["userName"]},
    )
    refused(answer, 409, "uniqueness")


SHUT = [
    {"op": "replace", "path": "active", "value": False},
    {"op": "Replace", "path": "active", "value": "False"},
    {"op": "replace", "value": {"active": False}},
    {"op": "Replace", "value": {"active": "False"}},
    {"op": "add", "path": "active", "value": "false"},
    {"op": "replace", "path": f"{USER}:active", "value": False},
]


@pytest.mark.parametrize("operation", SHUT)
async def test_sec_scim_03_who_is_set_inactive_is_out_at_once(
    operation: dict[str, Any],
    idp: httpx.AsyncClient,
    client: httpx.AsyncClient,
    acme: Organisation,
    admin: asyncpg.Connection,
) -> None:
    who = acme.people["developer"]
    headers = await acme.headers(client, "developer")
    owner = await acme.headers(client)
    key = await client.post(
        "/v1/api-keys", json={"name": "k", "user_id": str(who.id)}, headers=owner
    )
    by_key = {"Authorization": f"Bearer {key.json()['key']}"}
    began = time.perf_counter()
    answer = await patch(idp, f"/Users/{who.id}", operation)
    assert time.perf_counter() - began < 1
    assert (answer.status_code, answer.json()["active"]) == (200, False)
    for shown in (headers, by_key):
        assert (await client.get("/v1/auth/me", headers=shown)).status_code == 401
    login = {"email": who.email, "password": who.password}
    assert (await client.post("/v1/auth/login", json=login)).status_code == 401
    log = await client.get("/v1/admin/audit/auth?limit=100", headers=owner)
    assert "api_key.revoked" in log.text
    assert "user.provisioned" in log.text
    back = await patch(idp, f"/Users/{who.id}", {"op": "replace", "value": {"active": "True"}})
    assert back.json()["active"] is True
    assert (await client.get("/v1/auth/me", headers=headers)).status_code == 401
    assert (await client.get("/v1/auth/me", headers=by_key)).status_code == 401
    assert (await client.post("/v1/auth/login", json=login)).status_code == 200


async def test_who_is_inactive_stays_so_until_a_client_says_otherwise(
    idp: httpx.AsyncClient,
) -> None:
    made = await add(idp, active=False)
    path = f"/Users/{made['id']}"
    for answer in (
        await patch(idp, path, {"op": "remove", "path": "active"}),
        await patch(idp, path, {"op": "replace", "path": "active", "value": None}),
        await idp.put(path, json=person(userName=made["userName"])),
    ):
        assert answer.json()["active"] is False


async def test_deleting_a_person_ends_their_sessions_at_once(
    idp: httpx.AsyncClient, client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client, "manager")
    assert (await idp.delete(f"/Users/{acme.people['manager'].id}")).status_code == 204
    assert (await client.get("/v1/auth/me", headers=headers)).status_code == 401


async def test_a_token_opens_its_own_tenant_only_and_nothing_but_scim(
    doors: Doors,
    idp: httpx.AsyncClient,
    client: httpx.AsyncClient,
    acme: Organisation,
    globex: Organisation,
) -> None:
    token = {"Authorization": f"Bearer {(await add_scim_token(acme)).token}"}
    foreign = await client.get(f"/scim/v2/{globex.tenant.slug}/Users", headers=token)
    unknown = await client.get("/scim/v2/no-such-tenant/Users", headers=token)
    refused(foreign, 404)
    assert foreign.text == unknown.text
    for path in ("/v1/auth/me", "/v1/users", "/v1/scim/tokens"):
        assert (await client.get(path, headers=token)).status_code == 401
    for shown in ({}, await acme.headers(client), {"Authorization": "Bearer lv_scim_x"}):
        for slug in (acme.tenant.slug, "no-such-tenant"):
            refused(await client.get(f"/scim/v2/{slug}/Users", headers=shown), 401)
    async with provisioner(doors, globex) as other:
        theirs = await other.get("/Users")
        refused(theirs, 403)
        assert "Developer" in theirs.json()["detail"]
    missing = await idp.get(f"/Users/{globex.people['owner'].id}")
    assert missing.text == (await idp.get(f"/Users/{uuid4()}")).text
    refused(missing, 404)


async def test_a_token_is_made_fresh_ends_and_is_kept_as_a_hash(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection, clock: FakeClock
) -> None:
    owner = await acme.headers(client)
    made = (await client.post("/v1/scim/tokens", json={"name": "Okta"}, headers=owner)).json()
    users = f"/scim/v2/{acme.tenant.slug}/Users"
    assert made["base_url"].endswith(f"/scim/v2/{acme.tenant.slug}")
    by = {"Authorization": f"Bearer {made['token']}"}
    assert (await client.get(users, headers=by)).status_code == 200
    row = await admin.fetchrow("SELECT * FROM scim_tokens WHERE id = $1", UUID(made["id"]))
    assert made["token"] not in str(dict(row))
    status = (await client.get("/v1/scim", headers=owner)).json()
    assert status["last_used_at"] == "2026-03-02T12:00:00Z"
    clock.advance(minutes=11)
    stale = await client.post("/v1/scim/tokens", json={"name": "Entra"}, headers=owner)
    assert stale.json()["details"]["reason"] == "step_up_required"
    assert (await client.delete(f"/v1/scim/tokens/{made['id']}", headers=owner)).status_code == 204
    refused(await client.get(users, headers=by), 401)
    developer = await acme.headers(client, "developer")
    assert (await client.get("/v1/scim/tokens", headers=developer)).status_code == 403
    short = (
        await client.post(
            "/v1/scim/tokens",
            json={"name": "short", "expires_in_days": 1},
            headers=await acme.headers(client),
        )
    ).json()
    clock.advance(days=1)
    refused(await client.get(users, headers={"Authorization": f"Bearer {short['token']}"}), 401)


async def test_an_api_key_with_the_scope_provisions_too(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    users = f"/scim/v2/{acme.tenant.slug}/Users"
    for scopes, status in ((["scim:manage"], 200), (["user:read"], 403)):
        made = await client.post(
            "/v1/api-keys", json={"name": "k", "scopes": scopes}, headers=owner
        )
        by = {"Authorization": f"Bearer {made.json()['key']}"}
        assert (await client.get(users, headers=by)).status_code == status


async def test_owners_cannot_be_taken_over_or_taken_out(
    idp: httpx.AsyncClient, acme: Organisation
) -> None:
    path = f"/Users/{acme.people['owner'].id}"
    refused(await idp.delete(path), 403)
    refused(await patch(idp, path, {"op": "replace", "path": "active", "value": False}), 403)
    taken = {"op": "replace", "path": "userName", "value": "thief@evil.example"}
    refused(await patch(idp, path, taken), 403)
    assert (await idp.get(path)).json()["active"] is True


async def test_a_new_address_is_not_verified_any_more(
    idp: httpx.AsyncClient, client: httpx.AsyncClient, acme: Organisation
) -> None:
    who = acme.people["viewer"]
    new = f"{uuid4().hex}@new.example"
    answer = await patch(
        idp, f"/Users/{who.id}", {"op": "replace", "path": "userName", "value": new}
    )
    assert answer.json()["userName"] == new
    shown = await client.get(f"/v1/users/{who.id}", headers=await acme.headers(client))
    assert (shown.json()["email"], shown.json()["email_verified"]) == (new, False)
    for email, status in ((who.email, 401), (new, 200)):
        login = {"email": email, "password": who.password}
        assert (await client.post("/v1/auth/login", json=login)).status_code == status


async def test_errors_of_every_layer_are_told_as_the_standard_wants(
    idp: httpx.AsyncClient, acme: Organisation
) -> None:
    refused(await idp.get("/Nonsense"), 404)
    refused(await idp.request("PUT", "/Users"), 405)
    refused(await idp.post("/Users", content=b"{"), 400, "invalidSyntax")
    refused(await idp.post("/Users", content=b"[1]"), 400, "invalidSyntax")
    refused(await idp.post("/Users", json={"schemas": [USER]}), 400, "invalidValue")
    refused(await idp.post("/Users", json={"userName": "no address"}), 400, "invalidValue")
    refused(await idp.post("/Users", content=b"x" * 2_000_000), 413)
    refused(await idp.get("/Users/nonsense"), 404)
    for method, path in (("GET", "/Me"), ("POST", "/Bulk"), ("POST", "/.search")):
        refused(await idp.request(method, path), 501)


async def test_people_in_a_full_house_are_refused(
    idp: httpx.AsyncClient, acme: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_: object) -> int:
        return 999_999

    monkeypatch.setattr(users, "count_users", full)
    refused(await idp.post("/Users", json=person()), 429)


async def test_a_service_account_is_nobody_to_provision(
    idp: httpx.AsyncClient, client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = await acme.headers(client)
    made = await client.post("/v1/service-accounts", json={"name": "Robot"}, headers=owner)
    refused(await idp.get(f"/Users/{made.json()['id']}"), 404)
    refused(await idp.delete(f"/Users/{made.json()['id']}"), 404)
    group = (await idp.post("/Groups", json={"displayName": "G"})).json()
    answer = await patch(
        idp,
        f"/Groups/{group['id']}",
        {"op": "add", "path": "members", "value": [{"value": made.json()["id"]}]},
    )
    refused(answer, 400, "invalidValue")


async def test_who_is_less_than_an_admin_makes_nobody_one_by_provisioning(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    admin = await acme.headers(client, "admin")
    held = ["scim:manage", "user:read", "api_key:manage"]
    await client.post("/v1/roles", json={"name": "syncer", "permissions": held}, headers=admin)
    email = f"syncer@{acme.people['owner'].email.partition('@')[2]}"
    body = {"email": email, "role": "syncer", "password": PASSWORD}
    made = await client.post("/v1/users", json=body, headers=admin)
    assert made.status_code == 201, made.text
    login = await client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    own = {"Authorization": f"Bearer {login.json()['access_token']}"}

    token = await client.post("/v1/scim/tokens", json={"name": "mine"}, headers=own)
    assert token.status_code == 403, token.text
    key = await client.post(
        "/v1/api-keys", json={"name": "k", "scopes": ["scim:manage"]}, headers=own
    )
    by = {"Authorization": f"Bearer {key.json()['key']}"}
    refused(await client.get(f"/scim/v2/{acme.tenant.slug}/Users", headers=by), 403)
    by_admin = await client.post("/v1/scim/tokens", json={"name": "ours"}, headers=admin)
    assert by_admin.status_code == 201
