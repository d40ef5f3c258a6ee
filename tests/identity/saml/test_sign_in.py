"""Sign-ins by SAML over HTTP: from the redirect to a session."""

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.saml.documents import (
    OTHER,
    Pair,
    assertion_text,
    encrypt,
    metadata,
    response_text,
    sign,
    signed_response,
)
from tests.identity.saml.provider import Connected, connect, deliver, posted

ACS = "/v1/auth/saml/sso"


async def reasons(admin: asyncpg.Connection, tenant: Organisation) -> list[str]:
    rows = await admin.fetch(
        "SELECT payload FROM events WHERE tenant_id = $1 AND name = 'saml.refused' ORDER BY id",
        tenant.id,
    )
    return [__import__("json").loads(row["payload"])["reason"] for row in rows]


async def test_a_program_gets_tokens_for_a_response(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    answer = await deliver(client, await corp.set_off())
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["user"]["email"] == corp.email
    me = await client.get(
        "/v1/auth/me", headers={"Authorization": f"Bearer {body['access_token']}"}
    )
    assert (me.status_code, me.json()["role"]) == (200, "developer")


async def test_a_browser_gets_a_session_and_goes_where_it_wanted(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    flow = await corp.set_off(web=True, next_path="/projects")
    answer = await deliver(client, flow, headers=flow.cookies() | {"Accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/projects")
    assert "lv_session=" in answer.headers["set-cookie"]
    assert "lv_device=" in answer.headers["set-cookie"]
    page = await client.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 200


async def test_the_tenants_own_consumer_service_takes_it_too(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    flow = await corp.set_off()
    answer = await deliver(client, flow, path=f"/v1/auth/saml/{corp.tenant.tenant.slug}/acs")
    assert answer.status_code == 200


async def test_the_request_is_signed_and_asks_for_our_own_address(corp: Connected) -> None:
    flow = await corp.set_off()
    root = flow.request()
    assert root.get("AssertionConsumerServiceURL") == f"{corp.base}/acs"
    assert root.get("Destination") == "https://idp.example/sso"
    assert "&SigAlg=" in flow.departure.url
    assert "&Signature=" in flow.departure.url


async def test_an_encrypted_assertion_opens_with_the_tenants_key(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    document = await client.get(f"{corp.base}/metadata")
    assert document.headers["content-type"].startswith("application/samlmetadata+xml")
    flow = await corp.set_off()
    facts = flow.facts()
    sealed = encrypt(sign(assertion_text(facts)), _encryption_pair(document.text))
    answer = await deliver(client, flow, response_text(facts, sealed))
    assert answer.status_code == 200, answer.text


def _encryption_pair(text: str) -> Any:
    """A stand-in for a pair of which only the certificate is known."""
    from cryptography import x509
    from lxml import etree

    found = etree.fromstring(text.encode()).xpath(
        "//*[local-name()='KeyDescriptor'][@use='encryption']//*[local-name()='X509Certificate']"
    )
    certificate = x509.load_pem_x509_certificate(
        f"-----BEGIN CERTIFICATE-----\n{found[0].text}\n-----END CERTIFICATE-----".encode()
    )

    class Key:
        def public_key(self) -> Any:
            return certificate.public_key()

    return Pair(Key(), certificate)  # type: ignore[arg-type]


async def test_sec_saml_sp_26_a_request_is_answered_once_and_by_its_own_browser(
    client: httpx.AsyncClient, corp: Connected, admin: asyncpg.Connection, clock: FakeClock
) -> None:
    flow = await corp.set_off(web=True)
    document = signed_response(flow.facts())
    assert (await deliver(client, flow, document)).status_code == 401
    other = await corp.set_off(web=True)
    crossed = await deliver(client, flow, document, headers=other.cookies())
    assert crossed.status_code == 401
    unknown = await client.post(ACS, data=posted(document, other.handle[:-1] + "x"))
    assert unknown.status_code == 401
    assert (await deliver(client, flow, document, headers=flow.cookies())).status_code == 303
    again = await deliver(client, flow, document, headers=flow.cookies())
    assert again.status_code == 401
    late = await corp.set_off()
    clock.advance(minutes=11)
    answer = await deliver(client, late, signed_response(late.facts(assertion_id="_late")))
    assert answer.status_code == 401
    why = await reasons(admin, corp.tenant)
    assert sum("another browser" in reason for reason in why) == 2
    assert sum("before" in reason for reason in why) == 2


async def test_sec_saml_sp_27_an_assertion_is_taken_once(
    client: httpx.AsyncClient, corp: Connected, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    await client.patch(
        f"/v1/auth/sso/providers/{corp.provider_id}",
        json={"settings": {"idp_initiated": True}},
        headers=headers,
    )
    document = signed_response(corp.facts())
    first = await client.post(f"{corp.base}/acs", data=posted(document))
    assert first.status_code == 200, first.text
    assert (await client.post(f"{corp.base}/acs", data=posted(document))).status_code == 401
    assert (await client.post(ACS, data=posted(document))).status_code == 401


async def test_sec_saml_sp_28_unasked_responses_are_refused_unless_allowed(
    client: httpx.AsyncClient, corp: Connected, acme: Organisation
) -> None:
    document = signed_response(corp.facts())
    for relay in (None, "https://evil.example", "enterprise-state"):
        answer = await client.post(ACS, data=posted(document, relay))
        assert answer.status_code == 401
    headers = await acme.headers(client)
    changed = await client.patch(
        f"/v1/auth/sso/providers/{corp.provider_id}",
        json={"settings": {"idp_initiated": True}},
        headers=headers,
    )
    assert changed.status_code == 200, changed.text
    assert (await client.post(ACS, data=posted(document))).status_code == 200


@pytest.mark.parametrize(
    "relay", ["https://evil.example", "//evil.example", "javascript:alert(1)", "x" * 100_000]
)
async def test_sec_saml_sp_30_a_foreign_relay_state_leads_nowhere(
    client: httpx.AsyncClient, acme: Organisation, relay: str
) -> None:
    corp = await connect(client, acme, settings={"idp_initiated": True})
    answer = await client.post(
        ACS, data=posted(signed_response(corp.facts()), relay), headers={"Accept": "text/html"}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize(
    ("response", "status"),
    [("A" * 270_000, 413), ("!!!", 400), ("aGVsbG8=", 400), ("", 400), ("PGE+", 400)],
)
async def test_sec_saml_sp_32_what_cannot_be_read_is_refused_at_once(
    client: httpx.AsyncClient, corp: Connected, response: str, status: int
) -> None:
    began = time.process_time()
    answer = await client.post(ACS, data={"SAMLResponse": response})
    assert answer.status_code == status
    assert time.process_time() - began < 0.05
    assert answer.json()["error"] == ("payload_too_large" if status == 413 else "invalid_request")


async def test_two_responses_in_one_form_are_refused(client: httpx.AsyncClient) -> None:
    body = b"SAMLResponse=PGE%2BPC9hPg&SAMLResponse=PGE%2BPC9hPg"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await client.post(ACS, content=body, headers=form)).status_code == 400


async def test_an_unknown_tenant_answers_like_a_forged_response(
    client: httpx.AsyncClient, corp: Connected, globex: Organisation
) -> None:
    document = signed_response(corp.facts(), pair=OTHER)
    answers = [
        await client.post(f"/v1/auth/saml/{slug}/acs", data=posted(document))
        for slug in (corp.tenant.tenant.slug, "nobody-here", "platform")
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.json()["message"] for answer in answers}) == 1
    handle = "0" * 65
    answer = await client.post(ACS, data=posted(document, handle))
    assert answer.status_code == 401


async def test_another_tenants_assertion_is_refused(
    client: httpx.AsyncClient, corp: Connected, house: House
) -> None:
    """Two tenants trust one provider: what is said for one counts for that one only."""
    from tests import given

    others = await given.organisation(house, plan="enterprise", name="Initech")
    theirs = await connect(client, others)
    flow = await theirs.set_off()
    answer = await deliver(
        client, flow, signed_response(corp.facts(request_id=flow.request().get("ID")))
    )
    assert answer.status_code == 401


async def test_a_disabled_provider_stops_at_every_step(
    client: httpx.AsyncClient, corp: Connected, acme: Organisation
) -> None:
    headers = await acme.headers(client)
    flow, open_flow = await corp.set_off(), await corp.set_off()
    signed_in = await deliver(client, open_flow)
    token = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
    path = f"/v1/auth/sso/providers/{corp.provider_id}"
    assert (await client.post(f"{path}/disable", headers=headers)).status_code == 200
    assert (await client.get("/v1/auth/me", headers=token)).status_code == 401
    document = signed_response(flow.facts(assertion_id="_later"))
    assert (await deliver(client, flow, document)).status_code == 401


async def test_a_disabled_user_is_not_let_in(
    client: httpx.AsyncClient, corp: Connected, acme: Organisation
) -> None:
    first = await deliver(client, await corp.set_off())
    user_id = first.json()["user"]["id"]
    headers = await acme.headers(client)
    await client.patch(f"/v1/users/{user_id}", json={"status": "disabled"}, headers=headers)
    flow = await corp.set_off()
    again = await deliver(client, flow, signed_response(flow.facts(assertion_id="_again")))
    assert again.status_code == 403


async def test_saml_is_for_the_enterprise_plan(
    client: httpx.AsyncClient, globex: Organisation
) -> None:
    body = {
        "provider_type": "saml",
        "provider_name": "Corp",
        "settings": {"metadata_xml": metadata()},
    }
    headers = await globex.headers(client)
    answer = await client.post("/v1/auth/sso/providers", json=body, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["upgrade_options"]
    slug = globex.tenant.slug
    assert (await client.get(f"/v1/auth/saml/{slug}/metadata")).status_code == 404
    assert (await client.get("/v1/auth/saml/nobody/metadata")).status_code == 404


async def test_groups_give_roles(client: httpx.AsyncClient, acme: Organisation) -> None:
    rules = [{"claim": "groups", "value": "staff", "role": "manager"}]
    corp = await connect(client, acme, role_mapping=rules)
    answer = await deliver(client, await corp.set_off())
    assert answer.json()["user"]["role"] == "manager"


async def test_a_session_ends_when_the_provider_says_so(
    client: httpx.AsyncClient, corp: Connected, clock: FakeClock
) -> None:
    flow = await corp.set_off()
    end = clock.now() + timedelta(minutes=30)
    answer = await deliver(client, flow, signed_response(flow.facts(session_end=end)))
    token = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    clock.advance(minutes=29)
    assert (await client.get("/v1/auth/me", headers=token)).status_code == 200
    clock.advance(minutes=2)
    assert (await client.get("/v1/auth/me", headers=token)).status_code == 401


async def test_a_transient_name_is_nobody(
    client: httpx.AsyncClient, corp: Connected, admin: asyncpg.Connection
) -> None:
    flow = await corp.set_off()
    facts = flow.facts(name_format="urn:oasis:names:tc:SAML:2.0:nameid-format:transient")
    assert (await deliver(client, flow, signed_response(facts))).status_code == 401
    assert "transient" in (await reasons(admin, corp.tenant))[-1]


async def test_a_provider_that_takes_posts_only_gets_a_form(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    corp = await connect(client, acme, text=metadata(binding="HTTP-POST"))
    flow = await corp.set_off()
    page = await client.get(flow.departure.url)
    assert page.status_code == 200
    assert 'action="https://idp.example/sso"' in page.text
    assert page.headers["content-security-policy"].endswith("form-action https:")
    elsewhere = flow.departure.url.replace(acme.tenant.slug, "nobody")
    assert (await client.get(elsewhere)).status_code == 404


async def test_an_erasure_removes_the_nameid_of_who_is_known_by_an_attribute(
    client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    corp = await connect(client, acme, settings={"subject_attribute": "uid"})
    flow = await corp.set_off()
    facts = flow.facts()
    facts = replace(facts, attributes=facts.attributes | {"uid": ["staff-17"]})
    answer = await deliver(client, flow, signed_response(facts))
    assert answer.status_code == 200, answer.text
    kept = "SELECT count(*) FROM saml_sessions WHERE tenant_id = $1"
    assert await admin.fetchval(kept, acme.id) == 1
    erased = await client.post(
        "/v1/privacy/erasures",
        json={"user_id": answer.json()["user"]["id"]},
        headers=await acme.headers(client),
    )
    assert erased.status_code == 201, erased.text
    assert await admin.fetchval(kept, acme.id) == 0
