"""Stories across the rooms: from signing up to a branch, and one chain from task to bill."""

from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx

from leanvibe_server.kernel.house import House
from tests.engine.desk import LINT, open_desk, small_files, working
from tests.engine.repositories import make_repository
from tests.given import PASSWORD, Organisation


async def test_a_newcomer_signs_up_and_gets_a_branch_from_a_task(
    house: House, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    email = f"newcomer@{uuid4().hex}.example"
    signed_up = await client.post(
        "/api/v1/users", json={"email": email, "username": "newcomer", "password": PASSWORD}
    )
    assert signed_up.status_code == 201, signed_up.text
    session = await client.post(
        "/v1/auth/login", json={"email": email, "password": PASSWORD, "provider": "local"}
    )
    assert session.status_code == 200, session.text
    assert session.json()["user"]["role"] == "owner"
    headers = {"Authorization": f"Bearer {session.json()['access_token']}"}
    repository = make_repository(tmp_path / "theirs", small_files())
    desk = await open_desk(client, headers, repository)
    task = await desk.submit(LINT)
    async with working(house):
        done = await desk.wait(task["id"])
    assert (done["status"], done["delivery"]) == ("completed", "branch"), done["error"]
    assert done["branch"].startswith("leanvibe/task-")
    assert done["branch"] in repository.git("branch", "--list", done["branch"])
    usage = (await client.get("/v1/tenants/me/usage", headers=headers)).json()
    assert usage["ai_requests_today"] == 1


async def test_run_quota_usage_and_audit_are_one_chain_in_one_database(
    house: House,
    client: httpx.AsyncClient,
    acme: Organisation,
    admin: asyncpg.Connection,
    tmp_path: Path,
) -> None:
    headers = await acme.headers(client)
    desk = await open_desk(client, headers, make_repository(tmp_path / "theirs", small_files()))
    task = await desk.submit(LINT)
    async with working(house):
        done = await desk.wait(task["id"])
    assert done["status"] == "completed", done["error"]
    usage = await admin.fetch(
        "SELECT * FROM usage_events WHERE tenant_id = $1 AND task_id = $2",
        acme.id,
        UUID(task["id"]),
    )
    assert [(row["metric"], int(row["quantity"])) for row in usage] == [("ai_requests", 1)]
    log = (await client.get("/v1/admin/audit", params={"limit": 100}, headers=headers)).json()[
        "data"
    ]
    told = [entry for entry in log if entry["details"].get("task_id") == task["id"]]
    names = [entry["event_type"] for entry in reversed(told)]
    assert names[0] == "task.created"
    assert names[-1] == "task.completed"
    assert "task.in_progress" in names
    assert told[0]["details"]["deliverables"] == done["deliverables"]
    assert str(usage[0]["event_id"]) == told[0]["id"]


async def test_what_cannot_be_done_is_said_at_once_and_costs_nothing(
    house: House,
    client: httpx.AsyncClient,
    acme: Organisation,
    admin: asyncpg.Connection,
    tmp_path: Path,
) -> None:
    headers = await acme.headers(client)
    repository = make_repository(tmp_path / "theirs", small_files())
    desk = await open_desk(client, headers, repository)
    before = repository.git("for-each-ref")
    task = await desk.submit({"title": "Implement payment processing with Stripe and PCI DSS"})
    async with working(house):
        done = await desk.wait(task["id"], timeout_s=10)
    assert (done["status"], done["error"]["code"]) == ("failed", "no_recipe")
    assert done["error"]["details"]["unmet"]
    assert repository.git("for-each-ref") == before
    usage = (await client.get("/v1/tenants/me/usage", headers=headers)).json()
    assert usage["ai_requests_today"] == 0
    billed = await admin.fetchval("SELECT count(*) FROM usage_events WHERE tenant_id = $1", acme.id)
    assert billed == 0
