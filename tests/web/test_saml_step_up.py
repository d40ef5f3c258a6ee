"""Proving oneself anew at a SAML provider, in the browser: what was typed is not lost."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import asyncpg
import httpx
import pytest

from leanvibe_server.identity.federation.protocols import Departure
from leanvibe_server.kernel.request import SESSION_COOKIE
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.saml.documents import signed_response
from tests.identity.saml.provider import Connected, Flow, connect, posted
from tests.web.conftest import Arrive
from tests.web.visitors import Visitor

TYPED = {"domain": "typed.example.org"}


@pytest.fixture
async def corp(client: httpx.AsyncClient, acme: Organisation) -> Connected:
    return await connect(client, acme, default_role="admin")


def flow_to(corp: Connected, url: str) -> Flow:
    handle = httpx.URL(url).params["RelayState"]
    return Flow(corp, Departure(url=url, state=handle, expires_in=600))


async def come_back(visitor: Visitor, flow: Flow, **facts: Any) -> httpx.Response:
    """The provider's page sends its form to us: from another site, so without our session."""
    kept = visitor.client.cookies.get(SESSION_COOKIE)
    if kept is not None:
        visitor.client.cookies.delete(SESSION_COOKIE)
    document = signed_response(flow.facts(**facts))
    answer = await visitor.client.post(
        f"{flow.connected.base}/acs", data=posted(document, flow.handle)
    )
    visitor.page = answer.text
    if kept is not None and SESSION_COOKIE not in visitor.client.cookies:
        visitor.client.cookies.set(SESSION_COOKIE, kept)
    return answer


async def enter_by_provider(arrive: Arrive, corp: Connected) -> Visitor:
    visitor = await arrive()
    off = await visitor.open(f"/auth/sso/start/saml?tenant={corp.tenant.tenant.slug}")
    assert off.status_code == 302, visitor.text
    back = await come_back(visitor, flow_to(corp, off.headers["location"]), assertion_id="_first")
    assert back.status_code == 303, back.text
    return visitor


async def to_the_provider(visitor: Visitor, corp: Connected) -> Flow:
    """Press the button on the page that asks."""
    assert "Continue with Corp" in visitor.text
    kept = dict(re.findall(r'name="(next|ticket)" value="([^"]*)"', visitor.page))
    answer = await visitor.send("/step-up/sso", kept | {"provider": "saml"})
    assert answer.status_code == 200, visitor.text
    flow = flow_to(corp, unescape(answer.headers["refresh"].partition("url=")[2]))
    assert flow.request().get("ForceAuthn") == "true"
    return flow


async def stopped(arrive: Arrive, corp: Connected, clock: FakeClock) -> Visitor:
    """Somebody who sent a form when their proof was too old."""
    visitor = await enter_by_provider(arrive, corp)
    await visitor.open("/settings/sso")
    clock.advance(minutes=11)
    assert (await visitor.send("/settings/sso-domains", TYPED)).status_code == 403
    return visitor


async def test_a_form_that_was_stopped_goes_on_after_the_provider(
    arrive: Arrive, corp: Connected, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    visitor = await stopped(arrive, corp, clock)
    before = visitor.client.cookies[SESSION_COOKIE]
    back = await come_back(visitor, await to_the_provider(visitor, corp), assertion_id="_proof")
    assert back.status_code == 303, visitor.text
    assert visitor.client.cookies[SESSION_COOKIE] != before
    shown = await visitor.open(back.headers["location"])
    assert (shown.status_code, 'value="typed.example.org"' in visitor.page) == (200, True)
    done = await visitor.send("/settings/sso-domains", TYPED)
    assert done.status_code == 303, visitor.text
    found = "SELECT count(*) FROM domains WHERE tenant_id = $1"
    assert await admin.fetchval(found, corp.tenant.id) == 1
    once = await visitor.open(back.headers["location"])
    assert (once.status_code, once.headers["location"]) == (303, "/")


async def test_the_form_is_shown_to_nobody_else(
    arrive: Arrive, corp: Connected, clock: FakeClock
) -> None:
    visitor, other = await stopped(arrive, corp, clock), await arrive()
    flow = await to_the_provider(visitor, corp)
    early = await visitor.open(f"/step-up/resume?state={flow.handle}")
    assert early.headers["location"] == "/"
    back = await come_back(visitor, flow, assertion_id="_proof")
    await other.sign_in(corp.tenant.people["owner"])
    assert (await other.open(back.headers["location"])).headers["location"] == "/"
    assert (await visitor.open(back.headers["location"])).status_code == 200


async def test_a_page_that_was_stopped_is_shown_after_the_provider(
    arrive: Arrive, corp: Connected
) -> None:
    visitor = await enter_by_provider(arrive, corp)
    await visitor.open("/step-up?next=/settings/sso")
    back = await come_back(visitor, await to_the_provider(visitor, corp), assertion_id="_proof")
    assert (back.status_code, back.headers["location"]) == (303, "/settings/sso")
    assert (await visitor.open("/settings/sso")).status_code == 200


async def test_another_account_leaves_the_session_as_it_was(
    arrive: Arrive, corp: Connected
) -> None:
    visitor = await enter_by_provider(arrive, corp)
    await visitor.open("/step-up?next=/settings/sso")
    flow = await to_the_provider(visitor, corp)
    back = await come_back(visitor, flow, assertion_id="_eve", name_id="eve@idp.example")
    assert back.status_code == 403
    assert "not linked to yours" in visitor.text
    assert "You did not confirm that it is you" in visitor.text
    assert 'href="/step-up"' in visitor.page
    assert (await visitor.open("/settings/sso")).status_code == 200


async def test_a_session_at_the_provider_that_is_open_still_proves_nothing(
    arrive: Arrive, corp: Connected, clock: FakeClock
) -> None:
    visitor = await stopped(arrive, corp, clock)
    flow = await to_the_provider(visitor, corp)
    before = clock.now() - timedelta(minutes=11)
    back = await come_back(visitor, flow, assertion_id="_old", authenticated_at=before)
    assert back.status_code == 400
    assert "You did not confirm that it is you" in visitor.text
    assert "have just signed in there" in visitor.text
    await visitor.open("/settings/sso")
    assert (await visitor.send("/settings/sso-domains", TYPED)).status_code == 403


async def test_a_proof_comes_back_to_the_browser_that_asked(
    arrive: Arrive, corp: Connected
) -> None:
    visitor, other = await enter_by_provider(arrive, corp), await arrive()
    await visitor.open("/step-up?next=/settings/sso")
    flow = await to_the_provider(visitor, corp)
    assert (await come_back(other, flow, assertion_id="_proof")).status_code == 401
    assert SESSION_COOKIE not in other.client.cookies
    assert (await come_back(visitor, flow, assertion_id="_proof")).status_code == 303


async def test_who_signed_out_meanwhile_is_not_signed_in_by_a_proof(
    arrive: Arrive, corp: Connected
) -> None:
    visitor = await enter_by_provider(arrive, corp)
    await visitor.open("/step-up?next=/settings/sso")
    flow = await to_the_provider(visitor, corp)
    await visitor.open("/")
    await visitor.send("/logout")
    back = await come_back(visitor, flow, assertion_id="_proof")
    assert back.status_code == 401
    assert SESSION_COOKIE not in visitor.client.cookies


async def test_a_refused_link_leads_back_to_the_linked_accounts(
    arrive: Arrive, corp: Connected, clock: FakeClock
) -> None:
    visitor = await enter_by_provider(arrive, corp)
    await visitor.open("/account/links")
    off = await visitor.send("/account/links/saml")
    flow = flow_to(corp, unescape(off.headers["refresh"].partition("url=")[2]))
    back = await come_back(visitor, flow, assertion_id="_late", now=clock.now() - timedelta(days=1))
    assert back.status_code == 401
    assert "Nothing was linked" in visitor.text
    assert 'href="/account/links"' in visitor.page
