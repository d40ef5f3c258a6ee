"""Exports as tests have them written and fetched."""

import hashlib
import io
import zipfile
from typing import Any

import httpx

from leanvibe_server.compliance import exports
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import Work
from tests.given import Organisation

Json = dict[str, Any]


async def write(house: House, org: Organisation, export_id: str) -> None:
    await exports.write_export(Work(house, org.id, 0), export_id=export_id)


async def export_by_link(
    client: httpx.AsyncClient, org: Organisation, headers: dict[str, str], **wanted: str
) -> tuple[Json, zipfile.ZipFile]:
    asked = await client.post("/v1/privacy/exports", json=wanted, headers=headers)
    assert asked.status_code == 201, asked.text
    await write(org.house, org, asked.json()["id"])
    ready = (await client.get(f"/v1/privacy/exports/{asked.json()['id']}", headers=headers)).json()
    answer = await client.get(ready["download_url"])
    assert answer.status_code == 200, answer.text
    assert hashlib.sha256(answer.content).hexdigest() == ready["sha256"]
    return ready, zipfile.ZipFile(io.BytesIO(answer.content))
