"""What ends on the way of a sign-in stops it at the next step, whichever that is."""

import asyncpg
import httpx
import pytest

from tests.given import Organisation
from tests.identity.saml.documents import metadata, signed_response
from tests.identity.saml.provider import Connected, connect, deliver


@pytest.fixture
async def corp(client: httpx.AsyncClient, acme: Organisation) -> Connected:
    """A provider that takes requests by form only, so that every step is taken."""
    return await connect(client, acme, text=metadata(binding="HTTP-POST"))


async def request_id_of(admin: asyncpg.Connection, tenant: Organisation) -> str:
    """The ID of the one request under way."""
    found = "SELECT request_id FROM saml_requests WHERE tenant_id = $1"
    return str(await admin.fetchval(found, tenant.id))


async def test_without_the_plan_nobody_goes_nor_comes(
    client: httpx.AsyncClient, corp: Connected, acme: Organisation, admin: asyncpg.Connection
) -> None:
    flow = await corp.set_off()
    page = await client.get(flow.departure.url)
    assert page.status_code == 200
    await admin.execute("UPDATE tenants SET plan = 'team' WHERE id = $1", acme.id)
    assert (await client.get(flow.departure.url)).status_code == 404
    off = await client.get(f"/v1/auth/sso/saml?tenant={acme.tenant.slug}")
    assert off.status_code == 404
    document = signed_response(corp.facts(request_id=await request_id_of(admin, acme)))
    refused = await deliver(client, flow, document)
    assert (refused.status_code, refused.json()["error"]) == (403, "forbidden"), refused.text


async def test_a_suspended_organisation_gets_nobody_new(
    client: httpx.AsyncClient, corp: Connected, acme: Organisation, admin: asyncpg.Connection
) -> None:
    flow = await corp.set_off()
    await admin.execute("UPDATE tenants SET status = 'suspended' WHERE id = $1", acme.id)
    document = signed_response(corp.facts(request_id=await request_id_of(admin, acme)))
    assert (await deliver(client, flow, document)).status_code == 403
    assert not await admin.fetchval(
        "SELECT count(*) FROM users WHERE tenant_id = $1 AND email = $2", acme.id, corp.email
    )
