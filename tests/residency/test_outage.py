"""A region that does not answer is trouble for its own tenants and for nobody else."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest

from leanvibe_server import wiring
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.house import House
from leanvibe_server.tenancy import purge
from tests import given
from tests.conftest import FakeClock
from tests.given import Organisation, platform_admin, platform_headers
from tests.web.visitors import Visitor

NOBODY = "postgresql://nobody:x@127.0.0.1:1/nothing"


@pytest.fixture
async def broken(atlas: Settings, clock: FakeClock) -> AsyncIterator[House]:
    """An installation whose region au is down."""
    house = await wiring.open_house(replace(atlas, database_url_au=NOBODY))
    house.clock = clock
    (atlas.home / "demo.json").write_text("{}")
    yield house
    (atlas.home / "demo.json").unlink()
    await house.database.close()


@pytest.fixture
async def caller(broken: House) -> AsyncIterator[httpx.AsyncClient]:
    doors = await wiring.build_app(broken)
    transport = httpx.ASGITransport(app=doors.app, raise_app_exceptions=False)
    async with (
        doors.live,
        httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as client,
    ):
        yield client


@pytest.fixture
async def boston(broken: House) -> Organisation:
    return await given.organisation(broken, plan="enterprise", name="Boston")


@pytest.fixture
async def berlin(broken: House) -> Organisation:
    return await given.organisation(broken, plan="enterprise", name="Berlin", region="eu")


async def test_the_others_sign_in_and_work(
    caller: httpx.AsyncClient, boston: Organisation, berlin: Organisation
) -> None:
    for organisation in (boston, berlin):
        headers = await organisation.headers(caller)
        made = await caller.post("/v1/projects", json={"name": "one"}, headers=headers)
        assert made.status_code == 201, made.text
    # An address nobody knows leads to any region. Where that is the one that is down, nobody can
    # say that it is not known: were strangers refused outright, 503 would tell who lives there.
    refused = set()
    for _ in range(12):
        stranger = {"email": f"nobody@{uuid4().hex}.example", "password": "no such password"}
        refused.add((await caller.post("/v1/auth/login", json=stranger)).status_code)
    assert refused == {401, 503}


async def test_health_names_it_and_stays_ready(caller: httpx.AsyncClient) -> None:
    health = (await caller.get("/health")).json()
    assert health["status"] == "degraded"
    assert {name: one["status"] for name, one in health["regions"].items()} == {
        "us": "healthy",
        "eu": "healthy",
        "au": "unreachable",
    }
    assert (await caller.get("/health/ready")).status_code == 200


async def test_a_tenant_cannot_be_made_there_and_its_slug_stays_free(
    caller: httpx.AsyncClient,
) -> None:
    new = {
        "organization_name": "Perth",
        "slug": f"perth-{uuid4().hex[:8]}",
        "admin_email": f"owner@{uuid4().hex}.example",
        "plan": "enterprise",
    }
    failed = await caller.post("/v1/tenants", json={**new, "data_residency": "au"})
    assert (failed.status_code, failed.json()["error"]) == (503, "service_unavailable")
    made = await caller.post("/v1/tenants", json={**new, "data_residency": "eu"})
    assert made.status_code == 201, made.text


async def test_the_platform_s_list_holds_those_of_the_other_regions_and_names_it(
    caller: httpx.AsyncClient, broken: House, boston: Organisation, berlin: Organisation
) -> None:
    headers = await platform_headers(broken, caller)
    for organisation in (boston, berlin):
        named = {"q": organisation.tenant.slug}
        found = (await caller.get("/v1/tenants", params=named, headers=headers)).json()
        assert [one["id"] for one in found["data"]] == [str(organisation.id)]
        assert found["unreachable_regions"] == ["au"]
    counted = await caller.get("/v1/tenants", params={"limit": 1, "offset": 0}, headers=headers)
    assert counted.json()["total"] >= 2
    assert counted.json()["unreachable_regions"] == ["au"]


async def test_so_does_the_platform_s_audit_log(
    caller: httpx.AsyncClient, broken: House, boston: Organisation, berlin: Organisation
) -> None:
    for organisation in (boston, berlin):
        await organisation.headers(caller)
    why = {"X-Break-Glass-Reason": "Looking into an outage"}
    headers = await platform_headers(broken, caller) | why
    for organisation in (boston, berlin):
        of_person = {"user_id": str(organisation.people["owner"].id)}
        for path in ("/v1/admin/audit", "/v1/admin/audit/auth"):
            answer = await caller.get(path, params=of_person, headers=headers)
            assert answer.status_code == 200, answer.text
            assert answer.json()["unreachable_regions"] == ["au"]
            assert {one["tenant_id"] for one in answer.json()["data"]} == {str(organisation.id)}
    of_one = {"tenant_id": str(berlin.id)}
    alone = await caller.get("/v1/admin/audit", params=of_one, headers=headers)
    assert alone.json()["unreachable_regions"] == []
    assert {one["tenant_id"] for one in alone.json()["data"]} == {str(berlin.id)}
    csv = await caller.get("/v1/admin/audit", params=of_one | {"format": "csv"}, headers=headers)
    assert (csv.status_code, "user.login" in csv.text) == (200, True)


async def test_the_platform_s_log_as_csv_says_in_header_and_last_line_what_is_missing(
    caller: httpx.AsyncClient, broken: House, boston: Organisation
) -> None:
    await boston.headers(caller)
    why = {"X-Break-Glass-Reason": "Looking into an outage"}
    headers = await platform_headers(broken, caller) | why
    person = {"user_id": str(boston.people["owner"].id), "format": "csv"}
    csv = await caller.get("/v1/admin/audit", params=person, headers=headers)
    assert csv.status_code == 200, csv.text
    assert csv.headers["X-Unreachable-Regions"] == "au"
    lines = csv.text.splitlines()
    assert any("user.login" in line for line in lines)
    assert lines[-1] == "# unreachable_regions,au"
    own = await caller.get("/v1/admin/audit?format=csv", headers=await boston.headers(caller))
    assert "X-Unreachable-Regions" not in own.headers
    assert "unreachable" not in own.text


async def test_the_log_of_an_organisation_that_lives_there_is_not_read(
    caller: httpx.AsyncClient, broken: House, world: House
) -> None:
    there = await given.organisation(world, plan="enterprise", name="Perth", region="au")
    why = {"X-Break-Glass-Reason": "Looking into an outage"}
    headers = await platform_headers(broken, caller) | why
    of_one = {"tenant_id": str(there.id)}
    for path, more in (("", {}), ("", {"format": "csv"}), ("/verify", {})):
        answer = await caller.get(f"/v1/admin/audit{path}", params=of_one | more, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (503, "service_unavailable")


async def test_the_pages_of_both_lists_say_what_is_missing(
    caller: httpx.AsyncClient, broken: House
) -> None:
    visitor = Visitor(caller)
    await visitor.sign_in(await platform_admin(broken))
    for path in ("/platform/tenants", "/audit?reason=Looking+into+an+outage"):
        shown = await visitor.open(path)
        assert shown.status_code == 200, shown.text
        assert "AU does not answer now." in visitor.text
    await visitor.open("/audit")
    assert "not answer now" not in visitor.text


async def test_the_sweeps_go_on_with_the_other_regions(
    broken: House, clock: FakeClock, caller: httpx.AsyncClient, berlin: Organisation
) -> None:
    headers = await berlin.headers(caller)
    await caller.delete("/v1/tenants/me", params={"confirm": berlin.tenant.slug}, headers=headers)
    clock.advance(days=31)
    for sweep in wiring.SWEEPS:
        await sweep(broken)
    await purge.sweep(broken)
    async with broken.database.tenant(berlin.id) as conn:
        assert await conn.fetchval("SELECT count(*) FROM tenants WHERE id = $1", berlin.id) == 0
