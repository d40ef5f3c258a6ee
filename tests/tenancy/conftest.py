"""A platform administrator."""

from uuid import uuid4

import httpx
import pytest

from leanvibe_server.identity import service as identity
from leanvibe_server.kernel.house import House
from tests.given import PASSWORD


async def sign_in_platform(house: House, client: httpx.AsyncClient) -> dict[str, str]:
    """The headers of a platform administrator who has just signed in."""
    email = f"platform@{uuid4().hex}.example"
    await identity.create_platform_admin(house, email, PASSWORD)
    answer = await client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture
async def platform(house: House, client: httpx.AsyncClient) -> dict[str, str]:
    return await sign_in_platform(house, client)
