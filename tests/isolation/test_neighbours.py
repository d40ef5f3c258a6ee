"""Tenants side by side: what one keeps, sends or overdoes never reaches the other."""

import asyncio
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest

from leanvibe_server import wiring
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.ids import new_id
from leanvibe_server.kernel.jobs import Work, run_job
from tests import given
from tests.given import Organisation


async def test_sec_tenant_isolation_api_07_an_idempotency_key_of_one_tenant_is_unknown_in_another(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    key = {"Idempotency-Key": f"same-{uuid4()}"}
    made = [
        await client.post(
            "/v1/projects", json={"name": "same"}, headers=await org.headers(client) | key
        )
        for org in (acme, globex)
    ]
    assert [answer.status_code for answer in made] == [201, 201]
    assert made[0].json()["id"] != made[1].json()["id"]


async def test_an_entity_tag_of_one_tenant_tells_nothing_to_another(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation
) -> None:
    mine = await client.get("/v1/tenants/me/info", headers=await acme.headers(client))
    tag = {"If-None-Match": mine.headers.get("etag", '"x"')}
    theirs = await client.get("/v1/tenants/me/info", headers=await globex.headers(client) | tag)
    assert theirs.status_code == 200
    assert theirs.json()["id"] == str(globex.id)
    assert "no-store" in mine.headers.get("cache-control", "")


async def test_sec_tenant_isolation_api_08_a_job_works_in_the_tenant_that_asked_for_it_only(
    house: House, acme: Organisation, globex: Organisation
) -> None:
    """A job's payload names a row of another tenant: the job finds no such row."""
    mail_id = new_id(house.clock.now())
    async with house.database.tenant(globex.id) as conn:
        await conn.execute(
            "INSERT INTO outgoing_mail (tenant_id, id, recipient, subject, body, created_at)"
            " VALUES ($1, $2, 'a@b.example', 'theirs', 'secret', $3)",
            globex.id,
            mail_id,
            house.clock.now(),
        )
    await wiring.jobs().handlers["mail.send"](Work(house, acme.id, 0), mail_id=str(mail_id))
    async with house.database.tenant(globex.id) as conn:
        sent_at = await conn.fetchval("SELECT sent_at FROM outgoing_mail WHERE id = $1", mail_id)
    assert sent_at is None


@dataclass
class QueuedJob:
    """A job as the queue hands it over."""

    payload: bytes
    attempts: int = 0


@pytest.mark.parametrize("payload", [b"{}", b'{"tenant_id": null}', b'{"tenant_id": "nobody"}'])
async def test_a_job_that_names_no_tenant_fails_before_it_does_anything(
    payload: bytes, house: House
) -> None:
    async def handler(work: Work) -> None:
        pytest.fail("it ran")

    with pytest.raises((ValueError, AttributeError, TypeError)):
        await run_job(house, "mail.send", handler, QueuedJob(payload))  # type: ignore[arg-type]


async def test_sec_tenant_isolation_api_11_a_noisy_tenant_slows_itself_only(
    house: House, client: httpx.AsyncClient, globex: Organisation
) -> None:
    """At ten times its rate the noisy one is refused; the quiet one never is."""
    quiet = await given.organisation(house, plan="developer", name="Quiet", roles=("owner",))
    loud_headers, quiet_headers = await globex.headers(client), await quiet.headers(client)

    async def call(headers: dict[str, str]) -> int:
        return (await client.get("/v1/auth/me", headers=headers)).status_code

    loud = await asyncio.gather(*(call(loud_headers) for _ in range(400)))
    assert loud.count(429) >= 150
    assert await asyncio.gather(*(call(quiet_headers) for _ in range(20))) == [200] * 20
