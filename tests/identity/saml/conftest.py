"""A SAML identity provider that Acme is connected to."""

import httpx
import pytest

from tests.given import Organisation
from tests.identity.saml.provider import Connected, connect


@pytest.fixture
async def corp(client: httpx.AsyncClient, acme: Organisation) -> Connected:
    return await connect(client, acme)
