"""Nothing of a tenant's people leaves its region: seeded words are looked for everywhere else."""

import asyncio
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server import wiring
from leanvibe_server.audit import chain
from leanvibe_server.compliance import repeating
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import Jobs, Work, run_worker
from leanvibe_server.kernel.log import configure_logging
from leanvibe_server.kernel.mail import SEND_MAIL
from leanvibe_server.kernel.platform import Reason, across_tenants
from leanvibe_server.notifications import jobs as notification_jobs
from leanvibe_server.projects import service as projects
from leanvibe_server.wiring import Doors
from tests.compliance.given_exports import write
from tests.conftest import Ground
from tests.given import PASSWORD, Organisation, organisation
from tests.identity.given_providers import add_provider
from tests.identity.given_scim import add, provisioner

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
FAILING = "tests.fail"


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch, ground: Ground) -> Iterator[io.StringIO]:
    """What this process logs, at the most talkative level."""
    kept = io.StringIO()
    monkeypatch.setattr(sys, "stderr", kept)
    configure_logging(replace(ground.settings, log_level="debug"))
    yield kept
    monkeypatch.undo()
    configure_logging(ground.settings)


async def _live(caller: httpx.AsyncClient, berlin: Organisation, word: str) -> None:
    """Do what people of a tenant do, with the word in everything they write."""
    owner = await berlin.headers(caller) | {"User-Agent": f"{word}-browser"}
    post = caller.post

    async def expect(status: int, answer: httpx.Response) -> httpx.Response:
        assert answer.status_code == status, answer.text
        return answer

    await expect(200, await caller.put(
        "/v1/tenants/me/info", headers=owner, json={"display_name": f"{word} GmbH"}))  # fmt: skip
    key = {"Idempotency-Key": f"{word}-key"}
    person = {"email": f"{word}.guest@berlin.example", "username": f"{word}", "role": "viewer"}
    invited = await expect(201, await post("/v1/users", json=person, headers=owner | key))
    assert (await post("/v1/users", json=person, headers=owner | key)).json() == invited.json()
    new = {"name": f"{word} project", "description": word}
    project = await expect(201, await post("/v1/projects", json=new, headers=owner))
    task = {"title": f"{word} task", "project_id": project.json()["id"]}
    await expect(201, await post("/v1/tasks", json=task, headers=owner))
    await expect(201, await post("/v1/api-keys", json={"name": f"{word} key"}, headers=owner))
    wrong = {"email": berlin.people["admin"].email, "password": f"wrong {word}"}
    await expect(401, await post("/v1/auth/login", json=wrong, headers={"User-Agent": word}))
    entries = await expect(200, await caller.get("/v1/admin/audit", headers=owner))
    assert word in entries.text


async def _administer(
    caller: httpx.AsyncClient, doors: Doors, berlin: Organisation, word: str
) -> None:
    """Do what administrators do: whoever can be named or described bears the word."""
    owner = await berlin.headers(caller)

    async def post(path: str, **body: Any) -> Any:
        answer = await caller.post(f"/v1{path}", json=body, headers=owner)
        assert answer.is_success, (path, answer.text)
        return answer.json()

    await post("/groups", name=f"{word} group", description=word)
    await post("/roles", name=f"{word[:30]}", permissions=["project:read"], description=word)
    robot = await post("/service-accounts", name=f"{word} robot", description=word)
    await post(f"/service-accounts/{robot['id']}/clients")
    await post("/scim/tokens", name=f"{word} token")
    await post("/auth/sso/domains", domain=f"{word}.example")
    await add_provider(
        berlin.house, berlin, name=f"{word} login", client_id=f"{word} client",
        issuer=f"https://{word}.example", client_secret=f"{word} secret",
    )  # fmt: skip
    await post("/privacy/consents", purpose=f"{word}", version="1")
    await post(
        "/privacy/holds", user_id=str(berlin.people["manager"].id), reason=f"{word} before court"
    )
    await post("/users/bulk-invite", invitations=[{"email": f"{word}.bulk@berlin.example"}])
    app = await post("/auth/mfa/setup", method="totp", name=f"{word} phone")
    assert app["qr_code"]
    async with provisioner(doors, berlin) as idp:
        await add(idp, userName=f"{word}.scim@berlin.example", displayName=f"{word} Doe")
    branding = {"branding": {"logo_url": f"https://{word}.example/logo.png"}}
    info = {"configuration": branding | {"notes": {"text": word}}}
    answer = await caller.put("/v1/tenants/me/info", json=info, headers=owner)
    assert answer.status_code == 200, answer.text
    await post("/auth/password/forgot", email=f"{word}.guest@berlin.example")
    export = await post("/privacy/exports")
    await write(berlin.house, berlin, export["id"])
    ready = (await caller.get(f"/v1/privacy/exports/{export['id']}", headers=owner)).json()
    fetched = await caller.get(ready["download_url"], headers={"User-Agent": f"{word} fetcher"})
    assert fetched.content.startswith(b"PK")
    gone = await post("/privacy/erasures", user_id=str(berlin.people["guest"].id))
    await repeating.note_erasure(Work(berlin.house, berlin.id, 0), erasure_id=gone["id"])
    await chain.seal_tenant(berlin.house, berlin.id)


async def _work_off(world: House) -> None:
    """Send the mail, and let a job fail with a word in its message."""

    async def fail(work: Work, *, word: str) -> None:
        async with work.scope() as scope:
            await scope.conn.execute("SELECT $1::text::int", word)

    jobs, stop = Jobs(), asyncio.Event()
    jobs.add(FAILING, fail)
    notification_jobs.register(jobs)
    assert SEND_MAIL in jobs.handlers
    worker = asyncio.create_task(run_worker(world, jobs, stop))
    await asyncio.sleep(3)
    stop.set()
    await worker


async def _dump(dsn: str) -> str:
    """Every row of a database as text; what is kept as bytes, as letters too."""
    connection = await asyncpg.connect(dsn)
    parts = []
    for table in await connection.fetch(TABLES):
        rows = await connection.fetch(f'SELECT t::text AS line FROM "{table["tablename"]}" t')
        parts += [row["line"] for row in rows]
    await connection.close()
    text = "\n".join(parts)
    bytes_kept = (bytes.fromhex(found) for found in re.findall(r"\\x([0-9a-f]+)", text))
    return text + "\n".join(found.decode("latin-1") for found in bytes_kept)


async def _tables_with(dsn: str, tenant_id: UUID) -> list[str]:
    """The tables with a row in which the id stands, as such or inside of bytes."""
    connection = await asyncpg.connect(dsn)
    found = []
    for table in await connection.fetch(f"{TABLES} ORDER BY tablename"):
        rows = await connection.fetchval(
            f'SELECT count(*) FROM "{table["tablename"]}" t WHERE strpos(t::text, $1) > 0'
            " OR strpos(t::text, encode(convert_to($1, 'UTF8'), 'hex')) > 0",
            str(tenant_id),
        )
        if rows:
            found.append(table["tablename"])
    await connection.close()
    return found


def _read_files(folder: Path, but: Path) -> str:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_relative_to(but)]
    names = "\n".join(str(path) for path in files)
    return names + "\n".join(path.read_bytes().decode("latin-1") for path in files)


async def test_sec_crypto_residency_gdpr_04_nothing_of_a_tenant_leaves_its_region(
    world: House,
    world_doors: Doors,
    caller: httpx.AsyncClient,
    atlas: Settings,
    logs: io.StringIO,
) -> None:
    word = f"kanarie{uuid4().hex[:10]}"
    berlin = await organisation(world, plan="enterprise", name="Berlin", region="eu")
    await _live(caller, berlin, word)
    await _administer(caller, world_doors, berlin, word)
    async with Work(world, berlin.id, 0).scope() as scope:
        await scope.enqueue(FAILING, word=word)
    await _work_off(world)

    # Whoever was erased is nowhere any more.
    words = {word, *(who.email for role, who in berlin.people.items() if role != "guest")}
    kept_there = await _dump(atlas.database_of("eu"))
    assert all(one in kept_there for one in words)
    for region in ("us", "au"):
        elsewhere = await _dump(atlas.database_of(region))
        assert [one for one in words if one in elsewhere] == [], region
    # Of the organisation itself the home region knows where it lives, and keyed hashes.
    assert await _tables_with(atlas.database_of("us"), berlin.id) == [
        "remote_directory", "tenant_directory",
    ]  # fmt: skip
    assert await _tables_with(atlas.database_of("au"), berlin.id) == []
    files = _read_files(atlas.home, but=atlas.home_of("eu"))
    assert [one for one in (*words, str(berlin.id)) if one in files] == []
    said = logs.getvalue()
    assert "job failed" in said
    assert [one for one in words if one in said] == []


async def test_jobs_wait_in_the_region_of_their_tenant_and_are_done_from_there(
    world: House, atlas: Settings, caller: httpx.AsyncClient, berlin: Organisation
) -> None:
    headers = await berlin.headers(caller)
    email = f"new@{uuid4().hex}.example"
    await caller.post("/v1/users", json={"email": email}, headers=headers)
    counted = {}
    for region in atlas.regions:
        owner = await asyncpg.connect(atlas.database_of(region))
        counted[region] = await owner.fetchval(
            "SELECT count(*) FROM pgqueuer WHERE convert_from(payload, 'UTF8') LIKE $1",
            f"%{berlin.id}%",
        )
        await owner.close()
    assert counted["eu"] > 0
    assert (counted["us"], counted["au"]) == (0, 0)
    await _work_off(world)
    async with across_tenants(world.database, Reason.DEMO, region="eu") as conn:
        sent_at = await conn.fetchval(
            "SELECT sent_at FROM outgoing_mail WHERE recipient = $1", email
        )
    assert sent_at is not None


async def test_a_worker_of_one_region_leaves_the_queues_of_the_others_alone(
    world: House, caller: httpx.AsyncClient, berlin: Organisation, boston: Organisation
) -> None:
    emails = {}
    for organisation_ in (berlin, boston):
        headers = await organisation_.headers(caller)
        emails[organisation_.id] = f"new@{uuid4().hex}.example"
        await caller.post("/v1/users", json={"email": emails[organisation_.id]}, headers=headers)
    local = await wiring.open_house(replace(world.settings, worker_regions="eu"))
    try:
        await _work_off(local)
    finally:
        await local.database.close()
    sent = {}
    for organisation_ in (berlin, boston):
        async with world.database.tenant(organisation_.id) as conn:
            sent[organisation_.id] = await conn.fetchval(
                "SELECT sent_at FROM outgoing_mail WHERE tenant_id = $1 AND recipient = $2",
                organisation_.id,
                emails[organisation_.id],
            )
    assert sent[berlin.id] is not None
    assert sent[boston.id] is None


async def test_files_of_a_tenant_are_kept_under_its_region(
    world: House, atlas: Settings, berlin: Organisation, boston: Organisation
) -> None:
    for organisation_, folder in ((berlin, atlas.home / "regions" / "eu"), (boston, atlas.home)):
        path = projects.hosted_path(world, organisation_.id, uuid4())
        assert path.parent == folder / "repositories" / str(organisation_.id)
    with pytest.raises(LookupError):
        world.home_of(uuid4())


async def test_people_of_another_region_are_refused_as_anybody_and_heard_at_home(
    world: House, caller: httpx.AsyncClient, berlin: Organisation
) -> None:
    known, unknown = berlin.people["viewer"].email, f"nobody@{uuid4().hex}.example"
    answers = [
        (await caller.post("/v1/auth/login", json={"email": email, "password": PASSWORD + "!"}))
        for email in (known, unknown)
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert answers[0].json()["message"] == answers[1].json()["message"]
    async with world.database.tenant(berlin.id) as conn:
        noted = await conn.fetchval(
            "SELECT count(*) FROM events WHERE tenant_id = $1 AND name LIKE '%login%failed%'",
            berlin.id,
        )
    assert noted == 1
