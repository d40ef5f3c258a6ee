"""The application on a real socket, for clients that bring their own."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn

from leanvibe_server.wiring import Doors


@pytest.fixture
async def address(doors: Doors) -> AsyncIterator[str]:
    """Where the product answers on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(doors.app, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    server.should_exit = True
    await serving
