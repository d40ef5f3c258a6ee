"""Organisations below organisations: made, moved, read and run from above."""

import asyncio
import random
from contextlib import suppress
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server.kernel.errors import AppError
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import PLATFORM_TENANT
from leanvibe_server.tenancy.tree import service as tree
from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation
from tests.identity.given_people import system_scope
from tests.identity.given_sessions import bearer, set_policy
from tests.identity.mfa.given_factors import enrol
from tests.tenancy.given_trees import below, closure_of, create_below, put_below, true_closure


async def listed(client: httpx.AsyncClient, headers: dict[str, str], **query: object) -> list[str]:
    answer = await client.get("/v1/tenants/me/organizations", params=query, headers=headers)  # type: ignore[arg-type]  # plain values
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["data"]]


async def test_an_administrator_creates_an_organisation_below_their_own(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    headers = await acme.headers(client, "admin")
    made = await create_below(client, headers, acme.id, "Acme North")
    assert made.status_code == 201, made.text
    child = UUID(made.json()["id"])
    assert made.json()["parent_tenant_id"] == str(acme.id)
    assert made.json()["plan"] == "enterprise"
    grandchild = await create_below(client, headers, child, "Acme North Pole", plan="team")
    assert grandchild.status_code == 201, grandchild.text
    assert await listed(client, headers) == [str(child), grandchild.json()["id"]]
    assert await listed(client, headers, depth=1) == [str(child)]
    assert await listed(client, headers, q="pole") == [grandchild.json()["id"]]
    assert await closure_of(admin) == await true_closure(admin)
    shown = await client.get(f"/v1/tenants/{grandchild.json()['id']}", headers=headers)
    assert shown.status_code == 200


async def test_nobody_creates_one_elsewhere_or_alone_or_larger(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    headers = await acme.headers(client, "admin")
    for parent in (globex.id, uuid4()):
        refused = await create_below(client, headers, parent, "Spy")
        assert refused.status_code == 404
        assert refused.json()["details"] == {"field": "parent_tenant_id"}
    alone = {"organization_name": "Alone", "admin_email": "boss@child.example"}
    assert (await client.post("/v1/tenants", json=alone, headers=headers)).status_code == 403
    manager = await acme.headers(client, "manager")
    assert (await create_below(client, manager, acme.id, "Mine")).status_code == 403
    owner = await globex.headers(client)
    larger = await create_below(client, owner, globex.id, "Larger", plan="enterprise")
    assert larger.status_code == 403
    abroad = await create_below(client, owner, globex.id, "Abroad", data_residency="eu")
    assert abroad.status_code == 400


async def test_sec_tenant_isolation_api_05_from_above_yes_from_below_and_beside_no_revoked_no(
    client: httpx.AsyncClient, house: House, acme: Organisation, globex: Organisation
) -> None:
    child, sibling = await below(house, acme, "North"), await below(house, acme, "South")
    grandchild = await below(house, child, "Pole")
    above = await acme.headers(client, "admin")
    made = await client.post(
        "/v1/projects", json={"name": "secret"}, headers=await grandchild.headers(client)
    )
    path = f"/v1/projects/{made.json()['id']}"

    async def reads(headers: dict[str, str], named: UUID) -> int:
        answer = await client.get(path, headers=headers | {"X-Tenant-ID": str(named)})
        return answer.status_code

    assert await reads(above, grandchild.id) == 200
    assert await reads(await child.headers(client), grandchild.id) == 200
    unknown = await client.get(path, headers=above | {"X-Tenant-ID": str(uuid4())})
    for who, named in (
        (await grandchild.headers(client), child.id),
        (await grandchild.headers(client), acme.id),
        (await sibling.headers(client), child.id),
        (await sibling.headers(client), grandchild.id),
        (await globex.headers(client), grandchild.id),
        (await acme.headers(client, "manager"), grandchild.id),
        (await child.headers(client, "viewer"), grandchild.id),
    ):
        refused = await client.get(path, headers=who | {"X-Tenant-ID": str(named)})
        assert refused.status_code == 403
        assert refused.json()["message"] == unknown.json()["message"]
        assert (await client.get(f"/v1/tenants/{named}", headers=who)).status_code in (403, 404)

    # The child moves away: whoever was above is not any more.
    await put_below(house, child.id, globex.id)
    assert await reads(above, grandchild.id) == 403
    assert await reads(await globex.headers(client), grandchild.id) == 200
    await put_below(house, child.id, acme.id)
    assert await reads(above, grandchild.id) == 200
    # The administrator becomes something less.
    demoted = await client.patch(
        f"/v1/users/{acme.people['admin'].id}",
        json={"role": "manager"},
        headers=await acme.headers(client),
    )
    assert demoted.status_code == 200
    assert await reads(above, grandchild.id) == 403


async def test_who_acts_for_an_organisation_below_is_an_administrator_there_and_no_more(
    client: httpx.AsyncClient, house: House, acme: Organisation
) -> None:
    child = await below(house, acme, "North")
    acting = await acme.headers(client) | {"X-Tenant-ID": str(child.id)}
    invited = await client.post(
        "/v1/users", json={"email": "new@north.example", "role": "admin"}, headers=acting
    )
    assert invited.status_code == 201, invited.text
    assert invited.json()["tenant_id"] == str(child.id)
    owner = {"email": "o@north.example", "role": "owner"}
    assert (await client.post("/v1/users", json=owner, headers=acting)).status_code == 403
    disable = await client.patch(
        f"/v1/users/{child.people['owner'].id}", json={"status": "disabled"}, headers=acting
    )
    assert disable.status_code == 403
    assert (await client.get("/v1/auth/me", headers=acting)).status_code == 403
    made = await client.post("/v1/roles", headers=acting, json={"name": "deleter",
        "permissions": ["tenant:delete"]})  # fmt: skip
    assert made.status_code == 403
    # With less than an administrator's rights at home, one has no more below.
    home = await acme.headers(client)
    role = {"name": "organiser", "permissions": ["organization:manage", "project:read"]}
    assert (await client.post("/v1/roles", json=role, headers=home)).status_code == 201
    body = {"role": "organiser"}
    viewer = f"/v1/users/{acme.people['viewer'].id}"
    assert (await client.patch(viewer, json=body, headers=home)).status_code == 200
    organiser = await acme.headers(client, "viewer") | {"X-Tenant-ID": str(child.id)}
    assert (await client.get("/v1/projects", headers=organiser)).status_code == 200
    assert (await client.get("/v1/users", headers=organiser)).status_code == 403
    assert (
        await client.post("/v1/projects", json={"name": "x"}, headers=organiser)
    ).status_code == 403


async def test_acting_below_asks_for_a_fresh_proof_where_that_is_asked_at_home(
    client: httpx.AsyncClient, house: House, acme: Organisation, clock: FakeClock
) -> None:
    child = await below(house, acme, "North")
    acting = await acme.headers(client) | {"X-Tenant-ID": str(child.id)}
    clock.advance(minutes=11)
    role = {"name": "reader", "permissions": ["project:read"]}
    refused = await client.post("/v1/roles", json=role, headers=acting)
    assert refused.json()["details"]["reason"] == "step_up_required"


async def test_acting_below_takes_a_second_factor_where_that_is_asked_there(
    client: httpx.AsyncClient, house: House, acme: Organisation, clock: FakeClock
) -> None:
    child = await below(house, acme, "North")
    await set_policy(house, child, mfa_required=True)
    named = {"X-Tenant-ID": str(child.id)}
    refused = await client.get("/v1/projects", headers=await acme.headers(client) | named)
    assert refused.status_code == 403
    assert refused.json()["details"]["reason"] == "second_factor_needed"
    headers = bearer(await enrol(client, acme, clock)) | named
    assert (await client.get("/v1/projects", headers=headers)).status_code == 200


async def test_acting_below_is_in_both_logs_once_a_session_and_before_each_change(
    client: httpx.AsyncClient, house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    child = await below(house, acme, "North")
    acting = await acme.headers(client, "admin") | {"X-Tenant-ID": str(child.id)}
    for _ in range(3):
        assert (await client.get("/v1/projects", headers=acting)).status_code == 200
    for name in ("one", "two"):
        await client.post("/v1/projects", json={"name": name}, headers=acting)
    for log in (acme.id, child.id):
        told = await admin.fetch(
            "SELECT payload->>'method' AS method, p.body FROM events e JOIN event_personal p"
            " ON p.tenant_id = e.tenant_id AND p.event_id = e.id"
            " WHERE e.tenant_id = $1 AND name = 'organization.entered' ORDER BY e.id",
            log,
        )
        assert [row["method"] for row in told] == ["GET", "POST", "POST"]
        assert f"{acme.people['admin'].email} (of {acme.tenant.slug})" in told[0]["body"]


async def test_a_suspended_organisation_changes_nothing_below_and_nothing_is_changed_in_one(
    client: httpx.AsyncClient, house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    child = await below(house, acme, "North")
    acting = await acme.headers(client, "admin") | {"X-Tenant-ID": str(child.id)}
    new = {"name": "one"}
    for suspended in (child.id, acme.id):
        await admin.execute("UPDATE tenants SET status = 'suspended' WHERE id = $1", suspended)
        assert (await client.get("/v1/projects", headers=acting)).status_code == 200
        assert (await client.post("/v1/projects", json=new, headers=acting)).status_code == 403
        await admin.execute("UPDATE tenants SET status = 'active' WHERE id = $1", suspended)
    assert (await client.post("/v1/projects", json=new, headers=acting)).status_code == 201


async def test_an_organisation_is_moved_with_all_below_it_and_never_under_itself(
    client: httpx.AsyncClient, house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    north, south = await below(house, acme, "North"), await below(house, acme, "South")
    pole = await below(house, north, "Pole")
    headers = await acme.headers(client, "admin")

    async def move(what: UUID, to: UUID | None) -> int:
        answer = await client.put(
            f"/v1/tenants/{what}/parent",
            json={"parent_tenant_id": None if to is None else str(to)},
            headers=headers,
        )
        return answer.status_code

    assert await move(north.id, south.id) == 200
    assert await closure_of(admin) == await true_closure(admin)
    assert await move(south.id, pole.id) == 409
    assert await move(south.id, south.id) == 409
    assert await move(acme.id, pole.id) == 404
    assert await move(pole.id, None) == 403
    assert await move(pole.id, uuid4()) == 404
    assert await move(uuid4(), acme.id) == 404
    assert await closure_of(admin) == await true_closure(admin)


async def test_two_moves_at_once_close_no_circle(
    house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    for _ in range(5):
        one, two = await below(house, acme, "One"), await below(house, acme, "Two")
        results = await asyncio.gather(
            put_below(house, one.id, two.id),
            put_below(house, two.id, one.id),
            return_exceptions=True,
        )
        assert len([result for result in results if isinstance(result, AppError)]) == 1
        assert await closure_of(admin) == await true_closure(admin)


async def test_any_order_of_moves_leaves_the_tree_as_its_parents_say(
    house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    chance = random.Random(5)
    nodes = [acme] + [await below(house, acme, f"N{number}") for number in range(7)]
    for _ in range(40):
        what, to = chance.sample(nodes, 2)
        with suppress(AppError):
            await put_below(house, what.id, to.id if chance.random() > 0.1 else None)
        assert await closure_of(admin) == await true_closure(admin)


async def test_a_subtree_has_an_end(
    client: httpx.AsyncClient,
    house: House,
    acme: Organisation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tree, "MAX_BELOW", 2)
    headers = await acme.headers(client, "admin")
    for number in range(2):
        answer = await create_below(client, headers, acme.id, f"N{number}")
        assert answer.status_code == 201
    full = await create_below(client, headers, UUID(answer.json()["id"]), "N3")
    assert (full.status_code, full.json()["details"]["limit"]) == (409, 2)


async def test_the_setting_of_a_subtree_ends_with_its_block_and_lets_nobody_write(
    house: House, acme: Organisation, globex: Organisation
) -> None:
    child = await below(house, acme, "North")
    async with house.database.tenant(acme.id) as conn:
        scope = system_scope(house, acme, conn)
        async with tree.reading_subtree(scope) as named:
            assert list(named) == [child.id]
            seen = await conn.fetch("SELECT id FROM tenants")
            assert {row["id"] for row in seen} == {acme.id, child.id}
            changed = await conn.execute(
                "UPDATE tenants SET display_name = 'x' WHERE id = $1", child.id
            )
            assert changed == "UPDATE 0"
            assert (
                await conn.fetchval("SELECT count(*) FROM users WHERE tenant_id = $1", child.id)
                == 0
            )
        seen = await conn.fetch("SELECT id FROM tenants")
        assert {row["id"] for row in seen} == {acme.id}


async def test_a_key_acts_below_only_where_its_scopes_say_so(
    client: httpx.AsyncClient, house: House, acme: Organisation
) -> None:
    child = await below(house, acme, "North")
    headers = await acme.headers(client, "admin")
    for scopes, status in (
        (["project:read"], 403),
        (["project:read", "organization:manage"], 200),
    ):
        made = await client.post(
            "/v1/api-keys", json={"name": "k", "scopes": scopes}, headers=headers
        )
        key = {"Authorization": f"Bearer {made.json()['key']}", "X-Tenant-ID": str(child.id)}
        assert (await client.get("/v1/projects", headers=key)).status_code == status
        assert (await client.get("/v1/users", headers=key)).status_code == 403


async def test_a_key_of_a_made_role_is_no_administrator_below(
    client: httpx.AsyncClient, house: House, acme: Organisation
) -> None:
    child = await below(house, acme, "North")
    admin = await acme.headers(client, "admin")
    there = {**admin, "X-Tenant-ID": str(child.id)}
    scopes = ["organization:manage", "user:create", "user:update", "user:read", "api_key:manage"]
    await client.post("/v1/roles", json={"name": "org-clerk", "permissions": scopes}, headers=admin)
    clerk = f"clerk@{acme.people['owner'].email.partition('@')[2]}"
    body = {"email": clerk, "role": "org-clerk", "password": PASSWORD}
    made = await client.post("/v1/users", json=body, headers=admin)
    assert made.status_code == 201, made.text
    boss = await client.post(
        "/v1/users", json={**body, "email": f"boss.{clerk}", "role": "admin"}, headers=there
    )
    assert boss.status_code == 201, boss.text

    login = await client.post("/v1/auth/login", json={"email": clerk, "password": PASSWORD})
    own = {"Authorization": f"Bearer {login.json()['access_token']}"}
    key = await client.post("/v1/api-keys", json={"name": "k", "scopes": scopes}, headers=own)
    by = {"Authorization": f"Bearer {key.json()['key']}", "X-Tenant-ID": str(child.id)}
    path = f"/v1/users/{boss.json()['id']}"
    for refused in (
        await client.patch(path, json={"status": "disabled"}, headers=by),
        await client.post(f"{path}/mfa/reset", headers=by),
        await client.post(
            "/v1/api-keys",
            json={"name": "k", "user_id": boss.json()["id"], "scopes": ["user:read"]},
            headers=by,
        ),
        await client.post(
            "/v1/users", json={**body, "email": f"m.{clerk}", "role": "manager"}, headers=by
        ),
    ):
        assert refused.status_code == 403, refused.text
    assert (await client.get(path, headers=by)).status_code == 200


async def test_the_platform_s_own_organisation_is_above_none_and_below_none(
    client: httpx.AsyncClient, acme: Organisation, platform: dict[str, str]
) -> None:
    """Whoever were above it would act for the platform, and below it were no customer's."""
    moves = ((PLATFORM_TENANT, acme.id), (acme.id, PLATFORM_TENANT))
    for tenant_id, parent_id in moves:
        refused = await client.put(
            f"/v1/tenants/{tenant_id}/parent",
            json={"parent_tenant_id": str(parent_id)},
            headers=platform,
        )
        assert refused.status_code == 409, refused.text
        assert refused.json()["details"]["field"] == "parent_tenant_id"
    made = await create_below(client, platform, PLATFORM_TENANT, "Ours")
    assert made.status_code == 409, made.text


async def test_the_platform_puts_nothing_new_below_what_is_going(
    client: httpx.AsyncClient, acme: Organisation, platform: dict[str, str]
) -> None:
    """It would keep what is above it from being deleted."""
    where = {"confirm": acme.tenant.slug}
    gone = await client.delete(f"/v1/tenants/{acme.id}", params=where, headers=platform)
    assert gone.json()["status"] == "deleting", gone.text
    made = await create_below(client, platform, acme.id, "Late")
    assert (made.status_code, made.json()["details"]["field"]) == (409, "parent_tenant_id")
    unknown = await create_below(client, platform, uuid4(), "Nowhere")
    assert unknown.status_code == 404
