"""Tenants as their people and the platform's administrators see them."""

import httpx
from hypothesis import given
from hypothesis import strategies as st

from leanvibe_server.kernel.house import House
from leanvibe_server.tenancy.directory import RESERVED_SLUGS, make_slug
from tests.conftest import FakeClock
from tests.given import Organisation, organisation, platform_headers
from tests.tenancy.given_trees import below


@given(st.text(min_size=1, max_size=80))
def test_any_name_makes_a_slug_that_fits_an_address(name: str) -> None:
    slug = make_slug(name)
    assert 2 <= len(slug) <= 34
    assert slug.strip("-") == slug
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert slug not in RESERVED_SLUGS


async def test_a_slug_that_cannot_be_is_told_why(
    client: httpx.AsyncClient, platform: dict[str, str]
) -> None:
    body = {"organization_name": "New", "admin_email": "boss@new.example"}
    for slug, why in (("api", "slug api is reserved"), ("a--b", "slug must be 2 to 63")):
        refused = await client.post("/v1/tenants", json=body | {"slug": slug}, headers=platform)
        assert (refused.status_code, refused.json()["details"]["field"]) == (400, "slug")
        assert refused.json()["message"].startswith(why)


async def test_the_own_tenant_is_printed_with_its_limits_and_use(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    await client.post("/v1/projects", json={"name": "one"}, headers=headers)
    info = (await client.get("/v1/tenants/me/info", headers=headers)).json()
    assert info["slug"] == acme.tenant.slug
    assert info["status"] == "active"
    assert info["quotas"] == {
        "max_users": 999999,
        "max_projects": 999999,
        "max_api_calls_per_month": 999999999,
        "max_storage_mb": 1048576,
        "max_ai_requests_per_day": 10000,
        "max_concurrent_sessions": 100,
    }
    assert info["current_usage"]["users_count"] == 6
    assert info["current_usage"]["projects_count"] == 1
    assert info["current_usage"]["concurrent_sessions"] == 1


async def test_one_tenant_is_printed_with_how_many_people_it_has(
    client: httpx.AsyncClient,
    house: House,
    acme: Organisation,
    platform: dict[str, str],
) -> None:
    child = await below(house, acme, "North")
    for whose, headers, people in (
        (acme, await acme.headers(client, "viewer"), 6),
        (child, await acme.headers(client, "admin"), 2),
        (acme, platform, 6),
    ):
        shown = await client.get(f"/v1/tenants/{whose.id}", headers=headers)
        assert shown.json()["user_count"] == people, shown.text
        assert shown.json()["suspended_reason"] is None
    why = {"reason": "Payment overdue"}
    await client.post(f"/v1/tenants/{acme.id}/suspend", json=why, headers=platform)
    owner = await acme.headers(client)
    shown = await client.get(f"/v1/tenants/{acme.id}", headers=owner)
    assert shown.json()["suspended_reason"] == "Payment overdue"


async def test_an_admin_changes_name_and_branding_and_keeps_the_rest(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client, "admin")
    for change in (
        {"configuration": {"branding": {"primary_color": "#1f2937"}}},
        {"display_name": "Renamed", "configuration": {"features": {"custom_workflows": True}}},
    ):
        answer = await client.put("/v1/tenants/me/info", json=change, headers=headers)
        assert answer.status_code == 200, answer.text
    assert answer.json()["display_name"] == "Renamed"
    assert set(answer.json()["configuration"]) == {"branding", "features"}
    viewer = await acme.headers(client, "viewer")
    refused = await client.put("/v1/tenants/me/info", json={"display_name": "x"}, headers=viewer)
    assert refused.status_code == 403


async def test_a_colour_that_is_none_is_named_in_plain_words(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    wanted = {"configuration": {"branding": {"primary_color": "red;}"}}}
    headers = await acme.headers(client)
    refused = await client.put("/v1/tenants/me/info", json=wanted, headers=headers)
    assert refused.status_code == 400
    assert refused.json()["details"]["validation_errors"] == [
        "configuration: branding.primary_color must be like #1f2937"
    ]


async def test_a_suspended_tenant_reads_but_does_not_write_until_it_is_reactivated(
    client: httpx.AsyncClient, acme: Organisation, platform: dict[str, str]
) -> None:
    headers = await acme.headers(client)
    path = f"/v1/tenants/{acme.id}"
    suspended = await client.post(
        f"{path}/suspend", json={"reason": "Payment overdue"}, headers=platform
    )
    assert (suspended.status_code, suspended.json()["status"]) == (200, "suspended")
    write = await client.post("/v1/projects", json={"name": "no"}, headers=headers)
    assert (write.status_code, write.json()["error"]) == (403, "tenant_suspended")
    assert (await client.get("/v1/projects", headers=headers)).status_code == 200
    entries = await client.get(
        "/v1/admin/audit", params={"event_type": "tenant.suspended"}, headers=headers
    )
    assert entries.json()["data"][0]["details"]["reason"] == "Payment overdue"
    await client.post(f"{path}/reactivate", headers=platform)
    again = await client.post("/v1/projects", json={"name": "yes"}, headers=headers)
    assert again.status_code == 201


async def test_only_platform_admins_list_suspend_and_see_every_tenant(
    house: House,
    clock: FakeClock,
    client: httpx.AsyncClient,
) -> None:
    # Ten years on, so that these are the newest of all.
    clock.advance(days=3650)
    acme = await organisation(house, plan="enterprise", name="Acme")
    globex = await organisation(house, plan="developer", name="Globex", roles=("owner",))
    platform = await platform_headers(house, client)
    listed = await client.get("/v1/tenants", params={"limit": 2}, headers=platform)
    assert {row["slug"] for row in listed.json()["data"]} == {acme.tenant.slug, globex.tenant.slug}
    only = await client.get(
        "/v1/tenants", params={"plan": "developer", "limit": 1}, headers=platform
    )
    assert only.json()["data"][0]["slug"] == globex.tenant.slug
    headers = await acme.headers(client)
    refused = await client.get("/v1/tenants", headers=headers)
    assert refused.status_code == 403
    assert "Ask an administrator of the platform" in refused.json()["message"]
    assert (await client.get(f"/v1/tenants/{acme.id}", headers=headers)).status_code == 200
    assert (await client.get(f"/v1/tenants/{globex.id}", headers=headers)).status_code == 404
    refused = await client.post(
        f"/v1/tenants/{globex.id}/suspend", json={"reason": "x"}, headers=headers
    )
    assert refused.status_code == 403
