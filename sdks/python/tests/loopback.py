"""A small API on the loopback interface that speaks the documented shapes over real sockets."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

TENANT = "0190a000-0000-7000-8000-000000000001"
PROJECT = "0190a000-0000-7000-8000-0000000000aa"
TASK = "0190a000-0000-7000-8000-0000000000ff"
REQUEST_ID = "req_550e8400-e29b-41d4-a716-446655440005"
STEPS = ("requirements_analysis", "code_generation", "test_generation", "documentation")
DIFF = "diff --git a/app.py b/app.py\n--- a/app.py\n+++ b/app.py\n@@ -1 +1 @@\n-old\n+new\n"


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: Any


@dataclass
class Reply:
    """One answer to give; `drop` breaks the connection instead."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    text: str | None = None


def refusal(status: int, code: str, message: str, **more: Any) -> Reply:
    """An error in the envelope every error wears."""
    headers = more.pop("headers", {})
    body = {
        "error": code,
        "message": message,
        "details": more.pop("details", {}),
        "request_id": REQUEST_ID,
        "timestamp": "2026-01-09T10:30:00Z",
        **more,
    }
    return Reply(status, body, headers)


def task_shape(**changes: Any) -> dict[str, Any]:
    """A task as the API shows it."""
    return {
        "id": TASK,
        "status": "queued",
        "project_id": PROJECT,
        "title": "Add an endpoint",
        "description": None,
        "priority": "medium",
        "requirements": {},
        "progress_percentage": 0,
        "current_step": None,
        "milestones_completed": [],
        "next_milestones": list(STEPS),
        "deliverables": None,
        "quality_score": None,
        "error": None,
        "branch": None,
        "created_at": "2026-01-09T10:30:00Z",
        "updated_at": "2026-01-09T10:30:00.123456Z",
        "tracking_url": f"http://localhost:8765/tasks/{TASK}",
        "websocket_url": f"ws://localhost:8765/v1/ws/tasks/{TASK}",
        **changes,
    }


def task_events(*, last: str = "completion") -> list[dict[str, Any]]:
    """The numbered events of a task's life, from the first step to the last word."""
    events: list[dict[str, Any]] = []
    for number, step in enumerate(STEPS, start=1):
        share = number * 20
        events.append(
            {
                "type": "progress",
                "event_id": f"e{number}",
                "task_id": TASK,
                "status": "in_progress",
                "progress_percentage": share,
                "percentage": share,
                "current_step": step,
                "timestamp": "2026-01-09T10:30:00Z",
            }
        )
    final: dict[str, Any] = {"type": last, "event_id": "e9", "task_id": TASK}
    if last == "completion":
        final |= {"status": "completed", "progress_percentage": 100, "percentage": 100}
        final |= {"deliverables": {"files_created": 2, "tests_written": 5}, "quality_score": 0.91}
    else:
        error = {"code": "no_recipe", "message": "No recipe fits.", "details": {}}
        final |= {"status": "failed", "progress_percentage": 20, "percentage": 20, "error": error}
    return [*events, final]


class LoopbackApi:
    """Answers requests, and remembers them.

    `script` replies are given first, in order, whatever is asked. `routes` answer by method and
    path. `drop_after` lists how many messages each live connection gives before it breaks, or
    before it is closed with the next code of `closings`.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.script: deque[Reply] = deque()
        self.routes: dict[tuple[str, str], Callable[[Seen], Reply]] = {}
        self.access_token = "access-0"
        self.refresh_token = "refresh-0"
        self.check_tokens = False
        self.renewals = 0
        self.renewal_takes_s = 0.0
        self.done_by_key: dict[str, Reply] = {}
        self.events = task_events()
        self.task_status = "in_progress"
        self.opening_id: str | None = "e0"
        self.closings: deque[int] = deque()
        self.drop_after: deque[int] = deque()
        self.stream_refusals: deque[Reply] = deque()
        self.hold_stream = False
        self.base_url = ""

    def answer(self, method: str, path: str, reply: Reply) -> None:
        """Give the same reply to every such request."""
        self.routes[method, path] = lambda _: reply

    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [f"{seen.method} {seen.path}" for seen in self.seen]

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._live(scope, receive, send)

    async def _http(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        content = b""
        while True:
            part = await receive()
            content += part.get("body", b"")
            if not part.get("more_body"):
                break
        seen = _seen(scope, scope["method"], json.loads(content) if content else None)
        self.seen.append(seen)
        reply = await self._reply(seen)
        if reply.drop:
            # An answer that never comes to its end: uvicorn closes the socket.
            await send({"type": "http.response.start", "status": 200, "headers": []})
            return
        if reply.text is not None:
            payload, kind = reply.text.encode("utf-8", "surrogateescape"), b"text/plain"
        else:
            payload = b"" if reply.body is None else json.dumps(reply.body).encode()
            kind = b"application/json"
        headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        headers += [(b"content-type", kind), (b"content-length", str(len(payload)).encode())]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": payload})

    async def _reply(self, seen: Seen) -> Reply:
        if seen.path == "/v1/auth/refresh":
            return await self._renew(seen)
        if self.script:
            return self.script.popleft()
        if self.check_tokens and not self._knows(seen):
            return refusal(401, "unauthorized", "The access token has expired.")
        key = seen.headers.get("idempotency-key")
        if key is not None and key in self.done_by_key:
            return self.done_by_key[key]
        route = self.routes.get((seen.method, seen.path))
        reply = route(seen) if route else refusal(404, "not_found", f"No {seen.path} here.")
        if key is not None:
            self.done_by_key[key] = reply
        return reply

    def _knows(self, seen: Seen) -> bool:
        return seen.headers.get("authorization") == f"Bearer {self.access_token}"

    async def _renew(self, seen: Seen) -> Reply:
        await asyncio.sleep(self.renewal_takes_s)
        if seen.headers.get("authorization") != f"Bearer {self.refresh_token}":
            return refusal(401, "unauthorized", "The refresh token was used before.")
        self.renewals += 1
        self.access_token = f"access-{self.renewals}"
        self.refresh_token = f"refresh-{self.renewals}"
        return Reply(200, self.login_shape())

    def login_shape(self) -> dict[str, Any]:
        """The answer to a login."""
        user = {"id": "u1", "email": "dev@acme.test", "role": "developer", "tenant_id": TENANT}
        return {
            "success": True,
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            "expires_in": 3600,
            "user": user,
        }

    async def _live(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        seen = _seen(scope, "WS", None)
        self.seen.append(seen)
        known = self._knows(seen) or not self.check_tokens
        refused = self.stream_refusals.popleft() if self.stream_refusals else None
        if not known:
            refused = refusal(401, "unauthorized", "The access token has expired.")
        if refused is not None:
            await _deny(send, refused)
            return
        await send({"type": "websocket.accept"})
        left = self.drop_after.popleft() if self.drop_after else -1
        closing = self.closings.popleft() if self.closings else None
        for message in self._messages(seen.query):
            if left == 0:
                break
            left -= 1
            await send({"type": "websocket.send", "text": json.dumps(message)})
        if closing is not None:
            await send({"type": "websocket.close", "code": closing, "reason": "Later."})
        if left == 0 or closing is not None:
            return  # the socket breaks, without a farewell where none was sent
        while self.hold_stream and (await receive())["type"] != "websocket.disconnect":
            continue
        await send({"type": "websocket.close", "code": 1000, "reason": "The task is over."})

    def _messages(self, query: str) -> Iterator[dict[str, Any]]:
        after = query.removeprefix("after=") or None
        ids = [event["event_id"] for event in self.events]
        start = ids.index(after) + 1 if after in ids else 0
        yield {
            "type": "task_update",
            "event_id": after or self.opening_id,
            "task_id": TASK,
            "status": self.task_status,
            "progress_percentage": 0,
            "percentage": 0,
            "current_step": None,
        }
        yield from self.events[start:]


async def _deny(send: Any, reply: Reply) -> None:
    payload = json.dumps(reply.body).encode()
    headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
    headers.append((b"content-type", b"application/json"))
    start = {"type": "websocket.http.response.start", "status": reply.status, "headers": headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": payload})


def _seen(scope: dict[str, Any], method: str, body: Any) -> Seen:
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    return Seen(method, scope["path"], scope["query_string"].decode(), headers, body)


class Stage:
    """The server all tests share; each test puts its own API on it."""

    def __init__(self) -> None:
        self.api = LoopbackApi()
        self.base_url = ""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await self.api(scope, receive, send)

    def show(self, api: LoopbackApi) -> LoopbackApi:
        """Answer with this API from now on."""
        api.base_url = self.base_url
        self.api = api
        return api


@contextmanager
def serving(stage: Stage) -> Iterator[Stage]:
    """The stage on a free port of the loopback interface, until the block ends."""
    config = uvicorn.Config(
        stage,
        port=0,
        log_level="critical",
        lifespan="off",
        ws="websockets-sansio",
        loop="asyncio",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the loopback API did not start")
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    stage.base_url = f"http://127.0.0.1:{port}/v1"
    try:
        yield stage
    finally:
        server.should_exit = True
        thread.join(timeout=10)
