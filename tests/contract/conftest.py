"""The application on a real socket, for clients that bring their own."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from leanvibe_server.app import server
from leanvibe_server.wiring import Doors
from tests.conftest import Ground


@pytest.fixture
async def street(doors: Doors, ground: Ground) -> AsyncIterator[str]:
    """Where the product answers on a free port, served as it always is."""
    listener = socket.create_server(("127.0.0.1", 0))
    served = server(doors.app, ground.settings)
    serving = asyncio.create_task(served.serve(sockets=[listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    served.should_exit = True
    await serving


@pytest.fixture
def address(street: str) -> str:
    """Where its API answers."""
    return f"{street}/v1"
