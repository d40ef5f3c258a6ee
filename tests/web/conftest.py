"""Browsers for the tests of the dashboard."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import httpx
import pytest

from leanvibe_server.wiring import Doors
from tests.given import Organisation
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
