"""The directory leads where FastAPI's own search would, and its short way does the same."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import Depends, FastAPI, Request, Response
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel

from leanvibe_server.kernel.access import _remember
from leanvibe_server.kernel.directory import Directory, _short_way
from leanvibe_server.kernel.errors import Conflict
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.http import PathId, Router, add_error_handlers
from leanvibe_server.kernel.middleware import Doorman
from leanvibe_server.kernel.request import visit_of
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.wiring import Doors
from tests.given import Organisation


class Note(BaseModel):
    text: str
    number: int


def _client(app: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:8765")


@pytest.fixture
async def long_way(doors: Doors, house: House) -> AsyncIterator[httpx.AsyncClient]:
    """The same application, asked without its directory."""
    async with _client(Doorman(doors.api, house)) as client:
        yield client


def _said(answer: httpx.Response) -> tuple[int, Any, dict[str, str]]:
    body: Any = answer.text
    if body and answer.headers.get("content-type") == "application/json":
        body = answer.json()
        if isinstance(body, dict):
            body = {k: v for k, v in body.items() if k not in ("request_id", "timestamp")}
    changing = ("x-request-id", "x-ratelimit-remaining", "x-ratelimit-reset", "content-length")
    return answer.status_code, body, {
        name: value for name, value in answer.headers.items() if name not in changing
    }  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/projects/{mine}"),
        ("GET", "/api/v1/projects/{mine}"),
        ("GET", "/v1/projects/{theirs}"),
        ("GET", "/v1/projects/none-such"),
        ("GET", "/v1/projects/{mine}/"),
        ("GET", "/v1//projects/{mine}"),
        ("GET", "/v1/projects/a%2Fb"),
        ("GET", "/v1/projects/%00"),
        ("GET", "/v1/projects?limit=1"),
        ("GET", "/v1/projects?limit=many"),
        ("GET", "/v1/projects?limit=1&limit=2&unknown=%FF"),
        ("GET", "/v1/auth/me"),
        ("GET", "/v1/tenants/me/quota-check/api_calls?amount=2"),
        ("GET", "/v1/tasks/batch"),
        ("PATCH", "/v1/projects/{mine}"),
        ("PUT", "/v1/projects/{mine}"),
        ("HEAD", "/v1/projects/{mine}"),
        ("OPTIONS", "/v1/projects/{mine}"),
        ("GET", "/v1/nothing/here"),
        ("GET", "/v1"),
        ("GET", "/health/live"),
    ],
)
@pytest.mark.parametrize("known", [True, False])
async def test_both_ways_say_the_same(
    client: httpx.AsyncClient,
    long_way: httpx.AsyncClient,
    acme: Organisation,
    method: str,
    path: str,
    known: bool,
) -> None:
    headers = await acme.headers(client)
    made = await client.post("/v1/projects", json={"name": "One"}, headers=headers)
    path = path.format(mine=made.json()["id"], theirs=uuid4())
    shown = headers if known else {}
    short = await client.request(method, path, headers=shown)
    long = await long_way.request(method, path, headers=shown)
    assert _said(short) == _said(long)


JSON = "application/json"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/api-keys", "GET, HEAD, POST"),
        ("/api/v1/auth/me", "GET, HEAD, PATCH, DELETE"),
        ("/v1/tenants/me/restore", "POST"),
        ("/scim/v2/acme/Users", "GET, HEAD, POST"),
    ],
)
async def test_a_wrong_method_is_told_every_right_one(
    client: httpx.AsyncClient, long_way: httpx.AsyncClient, path: str, allowed: str
) -> None:
    for way in (client, long_way):
        refused = await way.put(path)
        assert (refused.status_code, refused.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (JSON, '{"name": "Two"}'),
        (JSON, '{"name": ""}'),
        (JSON, '{"nam": "Two"}'),
        (JSON, "{}"),
        (JSON, ""),
        (JSON, "null"),
        (JSON, "[1]"),
        (JSON, '"Two"'),
        (JSON, "{"),
        (JSON, '{"name": NaN}'),
        (JSON, '{"name": "\\u0000"}'),
        (JSON, '{"name": "\\ud800"}'),
        (JSON, "\ufeff{}"),
        (JSON, "[" * 10_000),
        ("Application/JSON; charset=utf-8", '{"name": "Two"}'),
        ("application/merge-patch+json", '{"name": "Two"}'),
        ("application/a/b+json", '{"name": "Two"}'),
        ("application/json, text/html", '{"name": "Two"}'),
        ("text/plain", '{"name": "Two"}'),
        ("application/x-www-form-urlencoded", "name=Two"),
        ("/", "name"),
        ("", '{"name": "Two"}'),
    ],
)
@pytest.mark.parametrize("known", [True, False])
async def test_both_ways_read_a_body_the_same(
    client: httpx.AsyncClient,
    long_way: httpx.AsyncClient,
    acme: Organisation,
    kind: str,
    body: str,
    known: bool,
) -> None:
    headers = {"Content-Type": kind}
    if known:
        headers |= await acme.headers(client)
    said = []
    for way in (client, long_way):
        answer = await way.post("/v1/projects", content=body, headers=headers)
        status, told, shown = _said(answer)
        if status == 201:
            for of_its_own in ("id", "repository_url", "created_at", "updated_at"):
                del told[of_its_own]
        said.append((status, told, shown))
    assert said[0] == said[1]


async def test_reads_queries_and_json_take_the_short_way(doors: Doors) -> None:
    short = {
        context.path_format
        for context in iter_route_contexts(doors.api.routes)
        if _short_way(doors.api, context, context.original_route) is not None  # type: ignore[arg-type]  # one that is no APIRoute is refused inside
    }
    assert {"/v1/projects/{project_id}", "/v1/auth/me", "/v1/tasks", "/v1/auth/login"} <= short
    # Forms and files are FastAPI's to read.
    assert not {"/v1/oauth/token", "/login"} & short


async def test_a_word_counts_before_a_parameter_and_any_other_converter_is_left_alone(
    house: House,
) -> None:
    router = Router()

    @router.get("/notes/{name}/parts")
    async def parts(name: str) -> Note:
        return Note(text=f"parts of {name}", number=1)

    @router.get("/notes/latest")
    async def latest() -> Note:
        return Note(text="latest", number=2)

    @router.get("/notes/{name}")
    async def one(name: str) -> Note:
        return Note(text=name, number=3)

    @router.get("/files/{path:path}")
    async def file(path: str) -> Note:
        return Note(text=path, number=4)

    expected = {
        "/notes/latest": ("latest", 2),
        "/notes/other": ("other", 3),
        "/notes/other/parts": ("parts of other", 1),
        # A word that leads nowhere does not hide the parameter beside it.
        "/notes/latest/parts": ("parts of latest", 1),
        "/files/a/b.txt": ("a/b.txt", 4),
    }
    async with _client(_application(house, router)) as client:
        for path, (text, number) in expected.items():
            assert (await client.get(path)).json() == {"text": text, "number": number}


def _application(house: House, router: Router) -> Doorman:
    api = FastAPI(docs_url=None, redoc_url=None)
    add_error_handlers(api)
    api.include_router(router)
    return Doorman(Directory(api), house)


def _writes_on_its_way_in(acme: Organisation) -> Router:
    router = Router()

    async def enter(request: Request) -> Scope:
        visit = visit_of(request.scope)
        visit.transaction = await acme.house.database.begin_tenant(acme.id)
        scope = Scope(visit.transaction.conn, acme.id, SYSTEM, acme.house.clock, acme.house)
        await scope.conn.execute(
            "INSERT INTO outgoing_mail (tenant_id, id, recipient, subject, body, created_at)"
            " VALUES ($1, $2, 'a@b.example', 's', 'b', now())",
            acme.id,
            scope.new_id(),
        )
        return scope

    Inside = Annotated[Scope, Depends(_remember(enter, "a test", ()))]

    @router.get("/lasts/{note_id}")
    async def lasts(note_id: PathId, scope: Inside) -> Note:
        return Note(text=str(note_id), number=1)

    @router.get("/answers-by-itself", response_model=Note)
    async def answers_by_itself(scope: Inside) -> Response:
        return Response("as it is", status_code=202)

    @router.get("/refuses")
    async def refuses(scope: Inside) -> Note:
        raise Conflict("No.")

    @router.get("/refuses-and-keeps")
    async def refuses_and_keeps(scope: Inside) -> Note:
        raise Conflict("No, and I noted it.").keeping_writes()

    @router.get("/cannot-be-printed")
    async def cannot_be_printed(scope: Inside) -> Note:
        return {"neither": "text nor number"}  # type: ignore[return-value]  # on purpose

    @router.get("/crashes")
    async def crashes(scope: Inside) -> Note:
        raise ZeroDivisionError("a secret detail")

    return router


@pytest.mark.parametrize(
    ("path", "status", "written"),
    [
        ("/lasts/0197f2a0-0000-7000-8000-000000000001", 200, 1),
        ("/lasts/no-id", 404, 0),
        ("/answers-by-itself", 202, 1),
        ("/refuses", 409, 0),
        ("/refuses-and-keeps", 409, 1),
        ("/cannot-be-printed", 500, 0),
        ("/crashes", 500, 0),
    ],
)
async def test_the_short_way_ends_the_transaction_before_it_answers(
    house: House,
    acme: Organisation,
    admin: asyncpg.Connection,
    path: str,
    status: int,
    written: int,
) -> None:
    router = _writes_on_its_way_in(acme)
    before = await _mails(admin, acme)
    async with _client(_application(house, router)) as client:
        answer = await client.get(path)
    assert answer.status_code == status
    assert await _mails(admin, acme) - before == written
    if status >= 400:
        assert {"error", "message", "request_id"} <= set(answer.json())
        assert "secret detail" not in answer.text


async def _mails(admin: asyncpg.Connection, acme: Organisation) -> int:
    count: int = await admin.fetchval(
        "SELECT count(*) FROM outgoing_mail WHERE tenant_id = $1", acme.id
    )
    return count
