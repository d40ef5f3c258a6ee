"""What tests of identity share: a provider to sign in by, a client that provisions, a forge."""

from collections.abc import AsyncIterator

import httpx
import pytest

from leanvibe_server.identity.keys import KeyRing
from leanvibe_server.kernel.house import House
from leanvibe_server.wiring import Doors
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.forge import Forge
from tests.identity.given_scim import provisioner
from tests.identity.oidc_world import World, make_world


@pytest.fixture
async def idp(doors: Doors, acme: Organisation) -> AsyncIterator[httpx.AsyncClient]:
    async with provisioner(doors, acme) as client:
        yield client


@pytest.fixture
async def world(client: httpx.AsyncClient, acme: Organisation) -> World:
    return await make_world(client, acme)


@pytest.fixture
async def forge(
    client: httpx.AsyncClient, acme: Organisation, house: House, clock: FakeClock
) -> Forge:
    return Forge(await acme.token(client), house.part(KeyRing), int(clock.now().timestamp()))
