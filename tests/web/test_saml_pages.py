"""SAML before a browser: the page of admins, the way in and the way out."""

import re
from html import unescape
from urllib.parse import urlsplit

import httpx
import pyotp
import pytest

from tests.given import Organisation
from tests.identity.given_sessions import set_policy
from tests.identity.saml.documents import metadata, signed_response
from tests.identity.saml.provider import Connected, connect, posted
from tests.web.visitors import Visitor

HTML = {"Accept": "text/html"}


@pytest.fixture
async def visitor(client: httpx.AsyncClient, acme: Organisation) -> Visitor:
    visitor = Visitor(client)
    await visitor.sign_in(acme.people["owner"])
    return visitor


async def test_an_admin_adds_tests_disables_and_deletes_a_provider(visitor: Visitor) -> None:
    await visitor.open("/settings/saml")
    assert "Add a provider" in visitor.text
    fields = {
        "provider_name": "Corp login",
        "metadata_xml": metadata(),
        "default_role": "viewer",
        "role_rules": "groups=leads: manager\n",
        "idp_initiated": "on",
    }
    answer = await visitor.send("/settings/saml/providers", fields)
    assert answer.status_code == 303, visitor.text
    await visitor.open("/settings/saml")
    assert "groups=leads: manager" in visitor.text
    assert "/metadata" in visitor.text
    actions = dict.fromkeys(re.findall(r'action="(/settings/saml/providers/[^"]+)"', visitor.page))
    places = {path.rpartition("/")[2]: path for path in actions}
    await visitor.send(places["test"])
    assert "is valid until" in visitor.text
    again = await visitor.send(
        places["metadata"], {"metadata_xml": metadata(entity="https://x.example")}
    )
    assert (again.status_code, "not of" in visitor.text) == (400, True)
    assert (await visitor.send(places["disable"])).status_code == 303
    await visitor.open("/settings/saml")
    assert "Disabled" in visitor.text
    assert (await visitor.send(places["delete"])).status_code == 303
    await visitor.open("/settings/saml")
    assert "Corp login" not in visitor.text


async def test_what_was_typed_stays_when_it_is_refused(visitor: Visitor) -> None:
    await visitor.open("/settings/saml")
    fields = {"provider_name": "Corp login", "metadata_xml": "<x/>", "default_role": "viewer"}
    answer = await visitor.send("/settings/saml/providers", fields)
    assert answer.status_code == 400
    assert "no metadata of one identity provider" in visitor.text
    assert 'value="Corp login"' in visitor.page


async def test_the_certificate_is_changed_step_by_step(visitor: Visitor) -> None:
    await visitor.open("/settings/saml")
    fields = {"provider_name": "Corp", "metadata_xml": metadata()}
    await visitor.send("/settings/saml/providers", fields)
    await visitor.send("/settings/saml/keys")
    await visitor.open("/settings/saml")
    found = re.search(r'action="(/settings/saml/keys/[^"]+/activate)"', visitor.page)
    assert found is not None
    assert (await visitor.send(found[1])).status_code == 303
    await visitor.open("/settings/saml")
    assert "Replaced" in visitor.text


async def test_others_see_no_page(client: httpx.AsyncClient, acme: Organisation) -> None:
    visitor = Visitor(client)
    await visitor.sign_in(acme.people["developer"])
    assert (await visitor.open("/settings/saml")).status_code == 403


async def test_on_a_smaller_plan_the_page_says_so(
    client: httpx.AsyncClient, globex: Organisation
) -> None:
    visitor = Visitor(client)
    await visitor.sign_in(globex.people["owner"])
    await visitor.open("/settings/saml")
    assert "part of the plan Enterprise" in visitor.text


async def arrive(
    client: httpx.AsyncClient, corp: Connected, next_path: str = "/"
) -> httpx.Response:
    """A browser's whole way in, by the addresses alone."""
    query = {"tenant": corp.tenant.tenant.slug, "next": next_path}
    off = await client.get("/v1/auth/sso/saml", params=query, headers=HTML)
    assert off.status_code == 302, off.text
    flow = await corp.set_off()
    object.__setattr__(flow.departure, "url", off.headers["location"])
    handle = httpx.URL(off.headers["location"]).params["RelayState"]
    return await client.post(
        f"{corp.base}/acs", data=posted(signed_response(flow.facts()), handle), headers=HTML
    )


async def test_a_browser_comes_in_and_leaves_by_way_of_the_provider(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    corp = await connect(client, acme)
    answer = await arrive(client, corp)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    visitor = Visitor(client)
    await visitor.open("/")
    left = await visitor.send("/logout")
    assert left.status_code == 200
    onward = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', left.text)
    assert onward is not None
    url = urlsplit(unescape(onward[1]))
    assert (url.netloc, url.path) == ("idp.example", "/slo")
    assert (await visitor.open("/")).status_code == 303


async def test_a_refusal_is_a_page_for_a_browser(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    corp = await connect(client, acme)
    for data, status in (
        (posted(signed_response(corp.facts())), 401),
        ({"SAMLResponse": "x"}, 400),
    ):
        answer = await client.post(f"{corp.base}/acs", data=data, headers=HTML)
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("text/html")
        assert "req_" in answer.text


async def test_a_second_factor_is_asked_for_and_then_leads_where_one_wanted_to_go(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    corp = await connect(client, acme)
    await set_policy(acme.house, acme, mfa_required=True)
    answer = await arrive(client, corp, next_path="/projects")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login/second-factor")
    visitor = Visitor(client)
    assert (await visitor.open("/projects")).headers["location"].startswith("/login")
    await visitor.open("/login/second-factor")
    await visitor.send("/login/second-factor/setup", {"method": "totp"})
    secret = re.search(r"[A-Z2-7]{32}", visitor.text)
    assert secret is not None, visitor.text
    code = pyotp.TOTP(secret[0]).at(acme.house.clock.now())
    done = await visitor.send("/login/second-factor/verify", {"method": "totp", "code": code})
    assert (done.status_code, done.headers["location"]) == (303, "/projects"), visitor.text
    assert (await visitor.open("/projects")).status_code == 200
