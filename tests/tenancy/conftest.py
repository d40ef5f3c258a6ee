"""A platform administrator."""

import httpx
import pytest

from leanvibe_server.kernel.house import House
from tests.given import platform_headers


@pytest.fixture
async def platform(house: House, client: httpx.AsyncClient) -> dict[str, str]:
    return await platform_headers(house, client)
