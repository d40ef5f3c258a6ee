"""SAML before a browser: the page of admins, the way in and the way out."""

import re
from datetime import timedelta
from html import unescape
from urllib.parse import urlsplit

import asyncpg
import httpx
import pyotp
import pytest

from leanvibe_server.identity.key_pairs import VALID_FOR
from leanvibe_server.identity.saml import refreshing
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_mail import work_off
from tests.identity.given_sessions import set_policy
from tests.identity.saml.documents import IDP_ENTITY, NOW, metadata, new_pair, signed_response
from tests.identity.saml.provider import Connected, connect, posted
from tests.identity.saml.publishing import ADDRESS, publish
from tests.web.visitors import Visitor

HTML = {"Accept": "text/html"}


@pytest.fixture
async def visitor(client: httpx.AsyncClient, acme: Organisation) -> Visitor:
    visitor = Visitor(client)
    await visitor.sign_in(acme.people["owner"])
    return visitor


FIELDS = {
    "provider_type": "saml",
    "provider_name": "Corp login",
    "default_role": "viewer",
    "single_logout": "on",
    "refresh_metadata": "on",
}


async def add(visitor: Visitor, **fields: str) -> str:
    """Where the page of a provider is that the visitor adds."""
    await visitor.open("/settings/sso/new?type=saml")
    answer = await visitor.send("/settings/sso/new", FIELDS | {"metadata_xml": metadata()} | fields)
    assert answer.status_code == 303, visitor.text
    return answer.headers["location"]


async def test_an_admin_adds_tests_disables_and_deletes_a_provider(visitor: Visitor) -> None:
    path = await add(visitor, role_mapping="leads = manager", idp_initiated="on")
    await visitor.open(path)
    assert "leads = manager" in visitor.page
    assert "/metadata" in visitor.text
    assert re.search(r'name="idp_initiated" value="on" checked', visitor.page)
    await visitor.send(f"{path}/test")
    assert "is valid until" in visitor.text
    other = FIELDS | {"metadata_xml": metadata(entity="https://x.example")}
    again = await visitor.send(path, other)
    assert (again.status_code, "not of" in visitor.text) == (400, True)
    assert (await visitor.send(f"{path}/disable")).status_code == 303
    await visitor.open(path)
    assert "Nobody signs in by it" in visitor.text
    assert (await visitor.send(f"{path}/delete")).status_code == 303
    await visitor.open("/settings/sso")
    assert "Corp login" not in visitor.text


async def test_what_is_changed_on_the_page_is_changed_and_nothing_else(
    visitor: Visitor, client: httpx.AsyncClient, acme: Organisation
) -> None:
    path = await add(visitor, groups_attribute="team", trust_mfa="on")
    await visitor.open(path)
    changed = {"groups_attribute": "teams", "role_mapping": "urn:team:a = viewer\nou: it = admin"}
    assert (await visitor.send(path, FIELDS | changed)).status_code == 303
    headers = await acme.headers(client) | {"accept": "application/json"}
    kept = (await client.get(f"/v1/auth/sso/providers/{path[-36:]}", headers=headers)).json()
    assert kept["settings"] == {"groups_attribute": "teams"}
    assert [tuple(rule.values()) for rule in kept["role_mapping"]] == [
        ("groups", "urn:team:a", "viewer"),
        ("ou", "it", "admin"),
    ]
    assert kept["issuer"] == IDP_ENTITY
    await visitor.open(path)
    assert "urn:team:a = viewer" in visitor.page


async def test_an_admin_chooses_from_the_roles_they_may_give(
    visitor: Visitor, client: httpx.AsyncClient, acme: Organisation
) -> None:
    role = {"name": "release-crew", "permissions": ["project:read"]}
    api = {"accept": "application/json"}
    made = await client.post("/v1/roles", json=role, headers=await acme.headers(client) | api)
    assert made.status_code == 201, made.text
    for kind in ("saml", "oidc"):
        await visitor.open(f"/settings/sso/new?type={kind}")
        offered = re.findall(r'<option value="([^"]+)"', visitor.page)
        assert "release-crew" in offered
        assert "owner" not in offered
    path = await add(visitor, default_role="release-crew")
    await visitor.open(path)
    assert '<option value="release-crew" selected' in visitor.page


async def test_what_was_typed_stays_when_it_is_refused(visitor: Visitor) -> None:
    await visitor.open("/settings/sso/new?type=saml")
    fields = FIELDS | {"metadata_xml": "<x/>", "force_authn": "on"}
    answer = await visitor.send("/settings/sso/new", fields)
    assert answer.status_code == 400
    assert "no metadata of one identity provider" in visitor.text
    assert 'value="Corp login"' in visitor.page
    assert re.search(r'name="force_authn" value="on" checked', visitor.page)


async def test_the_certificate_is_changed_step_by_step(visitor: Visitor) -> None:
    await add(visitor)
    await visitor.open("/settings/saml")
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
    # A browser keeps to itself what it has of an old session while another site sends a form.
    client.cookies.set("lv_session", "of-a-session-that-is-over")
    visitor = Visitor(client)
    assert (await visitor.open("/projects")).headers["location"].startswith("/login")
    await visitor.open("/login/second-factor")
    await visitor.send("/login/second-factor/setup", {"method": "totp"})
    secret = re.search(r"[A-Z2-7]{32}", visitor.text)
    assert secret is not None, visitor.text
    code = pyotp.TOTP(secret[0]).at(acme.house.clock.now())
    done = await visitor.send("/login/second-factor/verify", {"method": "totp", "code": code})
    assert (done.status_code, done.headers["location"]) == (303, "/projects"), visitor.text
    client.cookies.delete("lv_session", domain="", path="/")
    assert (await visitor.open("/projects")).status_code == 200


async def test_the_page_tells_of_certificates_that_end_and_of_metadata_that_cannot_be_read(
    visitor: Visitor, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    publish(acme.house).answer = httpx.Response(404)
    ending = new_pair(begins=NOW - timedelta(days=300), days=320)
    path = await add(visitor, metadata_xml=metadata(pairs=(ending,)), metadata_url=ADDRESS)
    await visitor.open(path)
    assert "The signing certificate of Corp login ends on" in visitor.text
    assert "Its metadata could not be read again" not in visitor.text
    clock.advance(minutes=5)
    await refreshing.sweep(acme.house)
    await work_off(acme.house, admin, refreshing.REFRESH)
    await visitor.open(path)
    assert "Its metadata could not be read again" in visitor.text
    assert "address answers 404" in visitor.text
    await visitor.open("/settings/saml")
    assert "of your organisation ends" not in visitor.text
    clock.advance(days=VALID_FOR.days - 10)
    await visitor.sign_in(acme.people["owner"])
    await visitor.open("/settings/saml")
    assert "The SAML certificate of your organisation ends on" in visitor.text
