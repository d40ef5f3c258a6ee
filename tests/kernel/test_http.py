"""The street side: one envelope for every error, and no 2xx before the commit."""

import contextlib
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel

from leanvibe_server.identity.scim import errors as scim
from leanvibe_server.kernel.errors import Conflict
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.http import PathId, Router, add_error_handlers
from leanvibe_server.kernel.middleware import Doorman
from leanvibe_server.kernel.request import visit_of
from leanvibe_server.kernel.scope import SYSTEM, Scope

ENVELOPE = {"error", "message", "details", "request_id", "timestamp"}


class Note(BaseModel):
    text: str
    extra: dict[str, Any] = {}


def _client(house: House, router: Router) -> httpx.AsyncClient:
    api = FastAPI(docs_url=None, redoc_url=None)
    add_error_handlers(api)
    api.include_router(router)
    transport = httpx.ASGITransport(app=Doorman(api, house), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


async def _open(request: Request, house: House, tenant_id: UUID) -> Scope:
    visit = visit_of(request.scope)
    visit.transaction = await house.database.begin_tenant(tenant_id)
    return Scope(visit.transaction.conn, tenant_id, SYSTEM, house.clock, house)


def _writes_a_mail(house: House, tenant_id: UUID) -> Router:
    router = Router()

    async def write(request: Request) -> Scope:
        scope = await _open(request, house, tenant_id)
        await scope.conn.execute(
            "INSERT INTO outgoing_mail (tenant_id, id, recipient, subject, body, created_at)"
            " VALUES ($1, $2, 'a@b.example', 's', 'b', now())",
            tenant_id,
            scope.new_id(),
        )
        return scope

    @router.post("/lasts", status_code=201)
    async def lasts(request: Request) -> dict[str, str]:
        await write(request)
        return {"ok": "yes"}

    @router.post("/breaks-at-commit", status_code=201)
    async def breaks_at_commit(request: Request) -> dict[str, str]:
        scope = await write(request)
        with contextlib.suppress(asyncpg.DivisionByZeroError):
            await scope.conn.execute("SELECT 1 / 0")
        return {"ok": "yes"}

    @router.post("/cannot-be-printed", status_code=201)
    async def cannot_be_printed(request: Request) -> Note:
        await write(request)
        return {"neither": "text nor extra"}  # type: ignore[return-value]  # on purpose

    @router.post("/refuses")
    async def refuses(request: Request) -> None:
        await write(request)
        raise Conflict("No.")

    @router.post("/refuses-and-keeps")
    async def refuses_and_keeps(request: Request) -> None:
        await write(request)
        raise Conflict("No, and I noted it.").keeping_writes()

    @router.post("/comes-second")
    async def comes_second(request: Request) -> None:
        scope = await write(request)
        await scope.conn.execute(
            "INSERT INTO outgoing_mail SELECT * FROM outgoing_mail WHERE tenant_id = $1", tenant_id
        )

    @router.post("/crashes")
    async def crashes(request: Request) -> None:
        await write(request)
        raise ZeroDivisionError("a secret detail")

    return router


@pytest.mark.parametrize(
    ("path", "status", "written"),
    [
        ("/lasts", 201, 1),
        ("/breaks-at-commit", 500, 0),
        ("/cannot-be-printed", 500, 0),
        ("/refuses", 409, 0),
        ("/refuses-and-keeps", 409, 1),
        ("/comes-second", 409, 0),
        ("/crashes", 500, 0),
    ],
)
async def test_an_answer_leaves_only_after_its_transaction_ended(
    house: House, admin: asyncpg.Connection, path: str, status: int, written: int
) -> None:
    tenant_id = UUID(int=0x7000_8000_0000_0000_0000 + abs(hash(path)) % 10**9)
    async with _client(house, _writes_a_mail(house, tenant_id)) as client:
        answer = await client.post(path)
    assert answer.status_code == status
    count = await admin.fetchval(
        "SELECT count(*) FROM outgoing_mail WHERE tenant_id = $1", tenant_id
    )
    assert count == written
    if status >= 400:
        assert set(answer.json()) == ENVELOPE
        assert "secret detail" not in answer.text


def _echo() -> Router:
    router = Router()

    @router.post("/notes")
    async def echo(note: Note) -> Note:
        return note

    @router.get("/notes/{note_id}")
    async def get(note_id: PathId) -> str:
        return str(note_id)

    return router


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"\xff\xfe",
        b'{"text": NaN}',
        b'{"text": "a\\u0000b"}',
        b'{"text": "\\ud800"}',
        b'{"text": 1}',
        b'{"text": "a", "extra": {"x": 1e999}}',
        b'{"text": "a", "extra": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
        b"[]",
        b"null",
        b'"text"',
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_a_body_that_cannot_be_read_is_a_400_in_the_envelope(
    house: House, body: bytes
) -> None:
    async with _client(house, _echo()) as client:
        answer = await client.post(
            "/notes", content=body, headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 400, answer.text
    assert set(answer.json()) == ENVELOPE
    assert answer.json()["error"] == "invalid_request"


async def test_a_validation_error_names_each_field_by_its_path(house: House) -> None:
    async with _client(house, _echo()) as client:
        answer = await client.post("/notes", json={"extra": 3})
    details = answer.json()["details"]
    assert [line.partition(":")[0] for line in details["validation_errors"]] == ["text", "extra"]
    assert details["field"] == "text"


async def test_who_is_overtaken_hears_so_in_the_words_of_the_path(house: House) -> None:
    tenant_id = UUID(int=0x7000_8000_0000_0000_0000 + 1)
    async with _client(house, _writes_a_mail(house, tenant_id)) as client:
        answer = await client.post("/comes-second")
    assert answer.json()["details"] == {"reason": "overtaken"}
    told, _ = scim.tell(Conflict("No.", details={"reason": "overtaken"}), {})
    assert (told["status"], told["scimType"]) == ("409", "uniqueness")


async def test_a_body_that_is_no_object_is_told_so_in_words_of_json(house: House) -> None:
    async with _client(house, _echo()) as client:
        for body in ([], "text", 5):
            answer = await client.post("/notes", json=body)
            assert answer.status_code == 400
            said = answer.json()["details"]["validation_errors"]
            assert said == ["body: must be a JSON object"]


async def test_a_body_over_the_limit_is_a_413_whether_or_not_it_says_its_length(
    house: House,
) -> None:
    async def chunks() -> Any:
        for _ in range(40):
            yield b"x" * 65_536

    async with _client(house, _echo()) as client:
        told = await client.post("/notes", content=b"x" * 2_000_000)
        untold = await client.post("/notes", content=chunks())
    assert (told.status_code, untold.status_code) == (413, 413)
    assert told.json()["error"] == untold.json()["error"] == "payload_too_large"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("DELETE", "/notes", 405, "method_not_allowed"),
        ("GET", "/notes/nonsense", 404, "not_found"),
    ],
)
async def test_routing_errors_wear_the_envelope_and_the_headers(
    house: House, method: str, path: str, status: int, code: str
) -> None:
    async with _client(house, _echo()) as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"]
    assert answer.json()["request_id"].startswith("req_")
    assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"} <= set(
        answer.headers
    )


async def test_a_request_id_of_the_caller_is_kept_when_it_has_our_form(house: House) -> None:
    mine = "req_550e8400-e29b-41d4-a716-446655440005"
    async with _client(house, _echo()) as client:
        kept = await client.get("/nowhere", headers={"X-Request-ID": mine})
        replaced = await client.get("/nowhere", headers={"X-Request-ID": "a\tb<script>"})
    assert kept.headers["X-Request-ID"] == mine
    assert replaced.headers["X-Request-ID"].startswith("req_")
