"""Browsers for the tests of the dashboard."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

from leanvibe_server.wiring import Doors
from tests.conftest import Ground
from tests.given import Organisation
from tests.web.browsing import ARGUMENTS, Server, Site, furnish, furnish_more
from tests.web.visitors import Visitor

Arrive = Callable[[], Awaitable[Visitor]]
EnterAs = Callable[[Organisation, str], Awaitable[Visitor]]


@pytest.fixture
async def arrive(doors: Doors) -> AsyncIterator[Arrive]:
    """Makes visitors who have not signed in, each with cookies of their own."""
    async with AsyncExitStack() as stack:

        async def make() -> Visitor:
            transport = httpx.ASGITransport(app=doors.app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url="http://localhost:8765")
            return Visitor(await stack.enter_async_context(client))

        yield make


@pytest.fixture
async def enter_as(arrive: Arrive) -> EnterAs:
    """Makes visitors who have signed in as the person of a role."""

    async def enter(organisation: Organisation, role: str) -> Visitor:
        visitor = await arrive()
        answer = await visitor.sign_in(organisation.people[role])
        assert answer.status_code == 303, visitor.text
        return visitor

    return enter


@pytest.fixture(scope="module")
def site(ground: Ground) -> Iterator[Site]:
    """A running installation with one thing of each kind."""
    server = Server(ground)
    server.start()
    try:
        acme, project_id, task_id = server.do(furnish(server.house))
        url = f"http://localhost:{server.port}"
        ids = {"project_id": project_id, "task_id": task_id, **furnish_more(url, acme)}
        yield Site(url, acme, project_id, task_id, server.do, ids)
    finally:
        server.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, as the system has it."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((path for name in names if (path := shutil.which(name))), None)
    if program is None:
        if "CI" in os.environ:
            pytest.fail("Chromium is missing: apt-get install chromium")
        pytest.skip("Chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield opened
        opened.close()
