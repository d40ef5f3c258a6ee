"""What is kept in files of a tenant is kept in its region: exports, shares of keys, notes."""

from pathlib import Path

import httpx

from leanvibe_server.audit import chain
from leanvibe_server.compliance import exports, repeating
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import Work
from tests.given import Organisation


def _of(home: Path, org: Organisation, *, but: Path | None = None) -> set[str]:
    return {
        str(path.relative_to(home).parts[0])
        for path in home.rglob("*")
        if path.is_file()
        and str(org.id) in str(path)
        and (but is None or not path.is_relative_to(but))
    }


async def test_sec_crypto_residency_gdpr_04_files_about_people_and_keys_stay_in_the_region(
    world: House, caller: httpx.AsyncClient, atlas: Settings, berlin: Organisation
) -> None:
    headers = await berlin.headers(caller)
    asked = await caller.post("/v1/privacy/exports", json={}, headers=headers)
    assert asked.status_code == 201, asked.text
    await exports.write_export(Work(world, berlin.id, 0), export_id=asked.json()["id"])
    shown = await caller.get(f"/v1/privacy/exports/{asked.json()['id']}", headers=headers)
    fetched = await caller.get(shown.json()["download_url"])
    assert fetched.content.startswith(b"PK")
    gone = {"user_id": str(berlin.people["viewer"].id)}
    erased = await caller.post("/v1/privacy/erasures", json=gone, headers=headers)
    work = Work(world, berlin.id, 0)
    await repeating.note_erasure(work, erasure_id=erased.json()["id"])
    await chain.seal_tenant(world, berlin.id)
    there = atlas.home_of("eu")
    assert _of(there, berlin) == {"exports", "keys", "audit", "erasures"}
    assert _of(atlas.home, berlin, but=there) == set()
    refused = (await repeating.repeat_all(world)).refused
    assert not [note for note in refused if str(berlin.id) in note]
