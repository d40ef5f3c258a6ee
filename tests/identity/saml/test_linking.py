"""A signed-in user adds a SAML provider as a further way in."""

from dataclasses import replace
from uuid import UUID

import httpx

from leanvibe_server.identity.federation import service as providers
from leanvibe_server.identity.federation.protocols import Wish
from leanvibe_server.identity.saml.protocol import SamlProtocol
from leanvibe_server.identity.visits import scope_in
from tests.given import Organisation
from tests.identity.saml.documents import OTHER, metadata, signed_response
from tests.identity.saml.provider import Connected, Flow, connect, deliver, visit_to


async def begin_link(
    client: httpx.AsyncClient,
    corp: Connected,
    tenant: Organisation,
    *,
    web: bool,
    role: str = "developer",
) -> Flow:
    """Somebody sets off to link an account at the provider."""
    headers = await tenant.headers(client, role)
    me = (await client.get("/v1/auth/me", headers=headers)).json()
    visit = visit_to(corp.house)
    async with corp.house.database.tenant(tenant.id) as conn:
        scope = scope_in(visit, conn, tenant.id, plan="enterprise")
        provider = await providers.require_provider(scope, corp.provider_id)
    wish = Wish(
        web=web,
        next_path="/account/links",
        link_user_id=UUID(me["id"]),
        link_session_id=UUID(me["session"]["id"]),
    )
    return Flow(corp, await SamlProtocol().depart(visit, provider, wish, plan="enterprise"))


async def test_a_user_links_an_account_in_their_browser_and_signs_in_by_it(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    corp = await connect(client, acme)
    flow = await begin_link(client, corp, acme, web=True)
    document = signed_response(flow.facts(name_id="other-name@idp.example"))
    answer = await deliver(client, flow, document, headers=flow.cookies())
    assert (answer.status_code, answer.headers["location"]) == (303, "/account/links")
    assert "lv_session=" not in answer.headers.get("set-cookie", "")
    again = await corp.set_off()
    facts = replace(again.facts(), name_id="other-name@idp.example", assertion_id="_again")
    signed_in = await deliver(client, again, signed_response(facts))
    assert signed_in.json()["user"]["email"] == acme.people["developer"].email


async def test_no_account_is_linked_without_the_browser_that_began(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    corp = await connect(client, acme)
    flow = await begin_link(client, corp, acme, web=False)
    assert (await deliver(client, flow)).status_code == 401
    in_browser = await begin_link(client, corp, acme, web=True)
    document = signed_response(in_browser.facts(assertion_id="_b"))
    assert (await deliver(client, in_browser, document)).status_code == 401


async def test_an_admin_s_certificate_leads_into_no_owner_s_account(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    corp = await connect(client, acme)
    for role in ("owner", "developer"):
        flow = await begin_link(client, corp, acme, web=True, role=role)
        document = signed_response(
            flow.facts(name_id=f"{role}@idp.example", assertion_id=f"_{role}")
        )
        await deliver(client, flow, document, headers=flow.cookies())

    headers = await acme.headers(client)
    assert len((await client.get("/v1/auth/identities", headers=headers)).json()["data"]) == 1
    changed = await client.patch(
        f"/v1/auth/sso/providers/{corp.provider_id}",
        json={"settings": {"metadata_xml": metadata(pairs=(OTHER,))}},
        headers=await acme.headers(client, "admin"),
    )
    assert changed.status_code == 200, changed.text
    entered = {}
    for role in ("owner", "developer"):
        flow = await corp.set_off()
        facts = flow.facts(name_id=f"{role}@idp.example", assertion_id=f"_{role}2")
        answer = await deliver(client, flow, signed_response(facts, pair=OTHER))
        entered[role] = answer.json().get("user", {}).get("email")
    assert entered["owner"] != acme.people["owner"].email
    assert entered["developer"] == acme.people["developer"].email
    assert (await client.get("/v1/auth/identities", headers=headers)).json()["data"] == []
