"""Provisioning, judged by scim2-tester: every attribute of every schema, by every method."""

import asyncio
import warnings
from collections.abc import Callable, Iterable
from http import HTTPStatus
from importlib.util import find_spec
from typing import Any

import httpx
import pytest

from leanvibe_server.wiring import Doors
from tests.given import Organisation
from tests.identity.given_scim import provisioner

THERE = find_spec("scim2_tester") is not None
if not THERE:
    warnings.warn("scim2-tester is not installed: its tests are skipped", stacklevel=1)
pytestmark = pytest.mark.skipif(not THERE, reason="NOT TRIED: install scim2-tester")

Start = Callable[[str, list[tuple[str, str]]], Any]


class Bridge:
    """A WSGI application for the tester's thread that asks the real one in its own loop."""

    def __init__(self, idp: httpx.AsyncClient) -> None:
        self._idp = idp
        self._loop = asyncio.get_running_loop()

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        query = environ.get("QUERY_STRING", "")
        url = f"http://localhost:8765{environ['PATH_INFO']}" + (f"?{query}" if query else "")
        headers = {"Content-Type": environ.get("CONTENT_TYPE") or "application/scim+json"}
        for name in ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"):
            if name in environ:
                headers[name.removeprefix("HTTP_").replace("_", "-")] = environ[name]
        asked = self._idp.request(
            environ["REQUEST_METHOD"],
            url,
            content=environ["wsgi.input"].read(length),
            headers=headers,
        )
        answer = asyncio.run_coroutine_threadsafe(asked, self._loop).result(30)
        status = f"{answer.status_code} {HTTPStatus(answer.status_code).phrase}"
        start(status, list(answer.headers.items()))
        return [answer.content]


async def test_scim2_tester_finds_no_fault(doors: Doors, acme: Organisation) -> None:
    from scim2_client.engines.wsgi import WSGISCIMClient
    from scim2_tester import Status, check_server

    async with provisioner(doors, acme) as idp:
        peer = WSGISCIMClient(Bridge(idp), base_url=str(idp.base_url).rstrip("/"))
        results = await asyncio.to_thread(check_server, peer)

    faults = [
        f"{result.title}: {result.reason}"
        for result in results
        if result.status in (Status.ERROR, Status.CRITICAL)
    ]
    assert not faults, "\n".join(faults)
    assert len([result for result in results if result.status == Status.SUCCESS]) > 60
