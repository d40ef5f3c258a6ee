"""What callers send cannot forge, break or swell the log, and no secret stays in it."""

import csv
import io

import httpx
import pytest

from leanvibe_server.audit.export import safe_cell
from leanvibe_server.kernel.event_privacy import REDACTED, cleaned, merge, printable, split
from leanvibe_server.kernel.ids import new_id
from leanvibe_server.kernel.scope import SYSTEM, Actor
from tests.conftest import FakeClock
from tests.given import Organisation

SECRETS = [
    f"lv_live_{'0123456789abcdef' * 4}",
    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "ghp_cafebabe0000000000000000000000000000",
    "AKIAIOSFODNN7EXAMPLE",
    "Bearer abcdefghijklmnop1234",
    "A" * 65,
]


@pytest.mark.parametrize("secret", SECRETS)
def test_sec_audit_03_what_looks_like_a_secret_is_taken_out(secret: str) -> None:
    for text in (cleaned({"reason": f"see {secret} there"})["reason"], printable(f"x {secret}")):
        assert secret not in str(text)
        assert REDACTED in str(text)


def test_sec_audit_03_a_field_that_is_named_like_a_secret_keeps_none() -> None:
    told = {"password": "hunter2", "deep": [{"client_secret": "s"}], "key_name": "ci", "secret": ""}
    assert cleaned(told) == {
        "password": REDACTED,
        "deep": [{"client_secret": REDACTED}],
        "key_name": "ci",
        "secret": "",
    }


def test_sec_audit_03_control_characters_are_written_out_and_texts_bounded() -> None:
    shown = cleaned({"name": "a\r\x1b[31mb\x00" + "x" * 20_000})["name"]
    assert shown.startswith("a\\r\\x1b[31mb\\x00")
    assert len(shown) < 11_000


async def test_sec_audit_03_a_user_agent_of_a_megabyte_is_cut_and_forges_no_line(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    person = acme.people["owner"]
    agent = f"agent\x1b[31m\t {SECRETS[0]} " + "x" * 1_000_000
    answer = await client.post(
        "/v1/auth/login",
        json={"email": person.email, "password": person.password},
        headers={"User-Agent": agent},
    )
    if answer.status_code == 200:
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    else:
        headers = await acme.headers(client)
    log = await client.get("/v1/admin/audit/auth", headers=headers)
    for entry in log.json()["data"]:
        shown = entry["user_agent"] or ""
        assert len(shown) <= 300
        assert shown.isprintable()
        assert SECRETS[0] not in shown


async def test_the_start_of_a_key_that_people_know_it_by_stays(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    made = await client.post("/v1/api-keys", json={"name": "ci"}, headers=headers)
    log = await client.get("/v1/admin/audit?event_type=api_key.created", headers=headers)
    assert log.json()["data"][0]["details"]["prefix"] == made.json()["prefix"]
    assert made.json()["key"] not in log.text


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_sec_audit_03_a_cell_is_never_a_formula(cell: str) -> None:
    assert safe_cell(cell)[0] == "'"
    assert "\r" not in safe_cell(cell)
    assert "\n" not in safe_cell(cell)


async def test_sec_audit_03_a_hostile_name_stays_one_line_of_the_file(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    name = 'a","forged\nuser.login,x'
    role = {"name": "odd", "description": name, "permissions": ["project:read"]}
    made = await client.post("/v1/roles", json=role, headers=headers)
    assert made.status_code == 201, made.text
    answer = await client.get("/v1/admin/audit?format=csv", headers=headers)
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert {len(row) for row in rows} == {12}
    assert not any(row[0] == "user.login" for row in rows)


def test_what_names_a_person_is_kept_apart_and_comes_back_while_it_is_there(
    clock: FakeClock,
) -> None:
    admin, person = new_id(clock.now()), new_id(clock.now())
    told = {
        "user_id": str(person),
        "email": "ada@example.org",
        "role": "viewer",
        "changed": {"email": ["a@example.org", "b@example.org"], "role": ["viewer", "guest"]},
    }
    kept, parts = split(told, Actor("user", admin, label="root@example.org", address="10.0.0.1"))
    assert "example.org" not in str(kept)
    assert {part.person_id for part in parts} == {admin, person}
    whole, actor = merge(kept, [part.body for part in parts])
    assert whole == told
    assert actor == {"actor_label": "root@example.org", "address": "10.0.0.1"}
    only_actor = [part.body for part in parts if part.person_id == admin]
    assert "ada@" not in str(merge(kept, only_actor))
    assert split({"used": 1}, SYSTEM) == ({"used": 1}, [])
