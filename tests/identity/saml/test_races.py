"""Copies of one message that come at the same time, as from several processes."""

import asyncio
from collections import Counter

import asyncpg
import httpx

from tests.given import Organisation
from tests.identity.saml.documents import in_address, logout_request, signed_response
from tests.identity.saml.provider import connect, deliver, posted

COPIES = 5


async def test_sec_saml_sp_27_of_copies_that_come_at_once_one_is_taken(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    corp = await connect(client, acme, settings={"idp_initiated": True})
    unasked = posted(signed_response(corp.facts()))
    path = f"/v1/auth/saml/{acme.tenant.slug}/acs"
    answers = await asyncio.gather(*(client.post(path, data=unasked) for _ in range(COPIES)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 401: COPIES - 1}
    flow = await corp.set_off()
    asked = signed_response(flow.facts(assertion_id="_asked"))
    answers = await asyncio.gather(*(deliver(client, flow, asked) for _ in range(COPIES)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 401: COPIES - 1}
    count = "SELECT count(*) FROM sessions WHERE tenant_id = $1 AND provider_id IS NOT NULL"
    assert await admin.fetchval(count, acme.id) == 2


async def test_sec_saml_sp_35_of_logout_requests_that_come_at_once_one_is_taken(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    corp = await connect(client, acme)
    assert (await deliver(client, await corp.set_off())).status_code == 200
    wish = logout_request(
        destination=f"{corp.base}/slo", name_id=corp.email, now=corp.house.clock.now()
    )
    path = f"{corp.base}/slo?{in_address(wish)}"
    answers = await asyncio.gather(*(client.get(path) for _ in range(COPIES)))
    assert Counter(answer.status_code for answer in answers) == {303: 1, 401: COPIES - 1}
