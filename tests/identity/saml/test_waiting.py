"""Sign-ins by SAML that wait for a second factor: what ends them before it is given."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pyotp
import pytest

from leanvibe_server.identity.federation import service as providers
from leanvibe_server.kernel.scope import Scope
from tests.given import Organisation
from tests.identity.given_people import system_scope
from tests.identity.given_sessions import set_policy
from tests.identity.saml.documents import in_address, logout_request
from tests.identity.saml.provider import Connected, connect, deliver


@pytest.fixture
async def corp(client: httpx.AsyncClient, acme: Organisation) -> Connected:
    corp = await connect(client, acme)
    await set_policy(acme.house, acme, mfa_required=True)
    return corp


async def begin(client: httpx.AsyncClient, corp: Connected) -> dict[str, Any]:
    """Somebody comes by the provider and sets up the second factor they are asked for; all but
    the code is given."""
    asked = await deliver(client, await corp.set_off())
    assert (asked.status_code, asked.json()["error"]) == (401, "mfa_required"), asked.text
    token = asked.json()["details"]["mfa_token"]
    set_up = await client.post("/v1/auth/mfa/setup", json={"method": "totp", "mfa_token": token})
    assert set_up.status_code == 200, set_up.text
    code = pyotp.TOTP(set_up.json()["secret"]).at(corp.house.clock.now())
    return {"method": "totp", "mfa_token": token, "code": code}


async def finish(client: httpx.AsyncClient, given: dict[str, Any]) -> int:
    return (await client.post("/v1/auth/mfa/verify", json=given)).status_code


async def test_a_sign_in_goes_on_with_its_second_factor(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    assert await finish(client, await begin(client, corp)) == 200


async def test_who_signs_out_at_the_provider_meanwhile_does_not_come_in(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    given = await begin(client, corp)
    leave = logout_request(
        destination=f"{corp.base}/slo", name_id=corp.email, now=corp.house.clock.now()
    )
    left = await client.get(f"{corp.base}/slo?{in_address(leave)}")
    assert left.status_code == 303, left.text
    assert await finish(client, given) == 401


@pytest.mark.parametrize("act", [providers.disable, providers.delete])
async def test_a_provider_that_is_turned_off_meanwhile_lets_nobody_in(
    client: httpx.AsyncClient,
    corp: Connected,
    acme: Organisation,
    act: Callable[[Scope, UUID], Awaitable[object]],
) -> None:
    given = await begin(client, corp)
    async with acme.house.database.tenant(acme.id) as conn:
        await act(system_scope(acme.house, acme, conn), corp.provider_id)
    assert await finish(client, given) == 401
