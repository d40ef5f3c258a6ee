"""Proving oneself anew at a SAML provider, in a session that is open."""

from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from leanvibe_server.identity.federation import service as providers
from leanvibe_server.identity.federation.protocols import Departure
from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import Organisation, organisation
from tests.identity.given_people import system_scope
from tests.identity.given_providers import link_identity
from tests.identity.given_sessions import bearer, names_of_events, set_policy, sign_in, status
from tests.identity.mfa.given_factors import enrol, totp_code
from tests.identity.saml.documents import in_address, logout_request, signed_response
from tests.identity.saml.provider import Connected, Flow, connect, deliver, posted
from tests.identity.saml.test_sign_in import reasons

Held = dict[str, Any]


@pytest.fixture
async def corp(client: httpx.AsyncClient, acme: Organisation) -> Connected:
    return await connect(client, acme, default_role="admin")


async def enter(client: httpx.AsyncClient, corp: Connected, name: str, **facts: Any) -> Held:
    """A session by a sign-in at the provider; `name` tells its assertion from others."""
    flow = await corp.set_off()
    document = signed_response(flow.facts(assertion_id=name, **facts))
    answer = await deliver(client, flow, document)
    assert answer.status_code == 200, answer.text
    held: Held = answer.json()
    return held


async def ask(client: httpx.AsyncClient, held: Held) -> httpx.Response:
    return await client.post("/v1/auth/sso/saml/step-up", headers=bearer(held))


async def begin(client: httpx.AsyncClient, corp: Connected, held: Held) -> Flow:
    asked = await ask(client, held)
    assert asked.status_code == 200, asked.text
    way = asked.json()
    return Flow(corp, Departure(url=way["redirect_url"], state=way["state"], expires_in=600))


async def finish(
    client: httpx.AsyncClient, held: Held, flow: Flow, document: str | None = None
) -> httpx.Response:
    text = document or signed_response(flow.facts(assertion_id="_proof"))
    body = {"saml_response": posted(text)["SAMLResponse"], "state": flow.handle}
    return await client.post("/v1/auth/saml/step-up", json=body, headers=bearer(held))


async def change(client: httpx.AsyncClient, held: Held) -> httpx.Response:
    """A change that asks for a fresh proof."""
    return await client.put(
        "/v1/tenants/me/security", json={"max_sessions": 3}, headers=bearer(held)
    )


def reason(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["details"]["reason"]


async def test_somebody_without_a_factor_here_proves_themselves_at_the_provider(
    client: httpx.AsyncClient, corp: Connected, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    held = await enter(client, corp, "_first")
    clock.advance(minutes=11)
    assert reason(await change(client, held)) == (403, "step_up_required")
    flow = await begin(client, corp, held)
    assert flow.request().get("ForceAuthn") == "true"
    proved = await finish(client, held, flow)
    assert proved.status_code == 200, proved.text
    assert await status(client, held) == 401
    assert (await change(client, proved.json())).status_code == 200
    assert "session.stepped_up" in await names_of_events(admin, corp.tenant)


async def test_a_sign_in_by_an_old_session_at_the_provider_is_no_fresh_proof(
    client: httpx.AsyncClient, corp: Connected, clock: FakeClock
) -> None:
    before = clock.now() - timedelta(hours=8)
    held = await enter(client, corp, "_first", authenticated_at=before)
    assert await status(client, held) == 200
    assert reason(await change(client, held)) == (403, "step_up_required")


async def test_the_oldest_of_several_sign_ins_at_the_provider_counts(
    client: httpx.AsyncClient, corp: Connected, clock: FakeClock
) -> None:
    flow = await corp.set_off()

    def with_an_older_one(text: str) -> str:
        begin, end = text.index("<saml:AuthnStatement"), text.index("<saml:AttributeStatement>")
        older = text[begin:end].replace(str(clock.now().year), str(clock.now().year - 1), 1)
        return text[:end] + older + text[end:]

    document = signed_response(flow.facts(), edit=with_an_older_one)
    held = (await deliver(client, flow, document)).json()
    assert reason(await change(client, held)) == (403, "step_up_required")


@pytest.mark.parametrize("ago_s", [120, 8 * 3600])
async def test_a_session_that_is_open_there_proves_nothing_anew(
    client: httpx.AsyncClient,
    corp: Connected,
    clock: FakeClock,
    admin: asyncpg.Connection,
    ago_s: int,
) -> None:
    held = await enter(client, corp, "_first")
    clock.advance(minutes=11)
    flow = await begin(client, corp, held)
    before = clock.now() - timedelta(seconds=ago_s)
    document = signed_response(flow.facts(assertion_id="_old", authenticated_at=before))
    assert reason(await finish(client, held, flow, document)) == (400, "not_proved_anew")
    assert "AuthnInstant is too old" in (await reasons(admin, corp.tenant))[-1]
    assert await status(client, held) == 200
    assert reason(await change(client, held)) == (403, "step_up_required")
    assert (await finish(client, held, flow)).status_code == 200


async def test_another_person_at_the_provider_proves_nothing(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    held = await enter(client, corp, "_first")
    eve = {"name_id": "eve@idp.example", "attributes": {"email": ["eve@corp.example"]}}
    flow = await begin(client, corp, held)
    stranger = signed_response(flow.facts(assertion_id="_eve1", **eve))
    assert reason(await finish(client, held, flow, stranger)) == (403, "another_account")
    assert reason(await finish(client, held, flow)) == (401, "saml_refused")
    await enter(client, corp, "_eve2", **eve)
    flow = await begin(client, corp, held)
    colleague = signed_response(flow.facts(assertion_id="_eve3", **eve))
    assert reason(await finish(client, held, flow, colleague)) == (403, "another_account")
    assert await status(client, held) == 200


async def test_a_proof_is_for_the_session_that_asked_and_good_once(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    first, second = [await enter(client, corp, name) for name in ("_first", "_second")]
    flow = await begin(client, corp, first)
    document = signed_response(flow.facts(assertion_id="_proof"))
    assert reason(await finish(client, second, flow, document)) == (401, "saml_refused")
    by_form = await deliver(client, flow, document)
    assert reason(by_form) == (401, "saml_refused")
    proved = (await finish(client, first, flow, document)).json()
    assert reason(await finish(client, proved, flow, document)) == (401, "saml_refused")
    again = await begin(client, corp, proved)
    assert reason(await finish(client, proved, again, document)) == (401, "saml_refused")
    assert await status(client, second) == 200


async def test_an_assertion_that_was_taken_proves_nothing_anew(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    held = await enter(client, corp, "_first")
    flow = await begin(client, corp, held)
    document = signed_response(flow.facts(assertion_id="_first"))
    assert reason(await finish(client, held, flow, document)) == (401, "saml_refused")


async def test_the_request_of_a_sign_in_steps_nobody_up(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    held = await enter(client, corp, "_first")
    assert reason(await finish(client, held, await corp.set_off())) == (401, "saml_refused")
    in_browser = await corp.set_off(web=True)
    assert reason(await finish(client, held, in_browser)) == (401, "saml_refused")


async def test_an_unasked_response_steps_nobody_up(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    corp = await connect(client, acme, settings={"idp_initiated": True})
    held = await enter(client, corp, "_first")
    body = posted(signed_response(corp.facts(assertion_id="_unasked")))["SAMLResponse"]
    answer = await client.post(
        "/v1/auth/saml/step-up",
        json={"saml_response": body, "state": "of nobody"},
        headers=bearer(held),
    )
    assert reason(answer) == (401, "saml_refused")


async def test_only_a_linked_provider_that_is_on_can_be_asked(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    owner = await sign_in(client, corp.tenant, "owner")
    assert (await ask(client, owner)).status_code == 404
    async with corp.house.database.tenant(corp.tenant.id) as conn:
        scope = system_scope(corp.house, corp.tenant, conn)
        provider = await providers.require_provider(scope, corp.provider_id)
    await link_identity(corp.house, provider, corp.tenant.people["owner"].id, corp.email)
    flow = await begin(client, corp, owner)
    await disable(corp)
    assert await status(client, owner) == 200
    assert reason(await finish(client, owner, flow)) == (401, "saml_refused")
    assert (await ask(client, owner)).status_code == 404


async def disable(corp: Connected) -> None:
    async with corp.house.database.tenant(corp.tenant.id) as conn:
        await providers.disable(system_scope(corp.house, corp.tenant, conn), corp.provider_id)


async def test_a_session_that_ended_meanwhile_is_not_gone_on_with(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    held = await enter(client, corp, "_first")
    flow = await begin(client, corp, held)
    assert (await client.post("/v1/auth/logout", headers=bearer(held))).status_code < 300
    assert (await finish(client, held, flow)).status_code == 401
    again = await enter(client, corp, "_again")
    assert reason(await finish(client, again, flow)) == (401, "saml_refused")


async def test_the_request_of_another_organisation_proves_nothing_here(
    client: httpx.AsyncClient, corp: Connected, house: House
) -> None:
    other = await connect(
        client, await organisation(house, plan="enterprise", name="Other"), default_role="admin"
    )
    held, foreign = await enter(client, corp, "_first"), await enter(client, other, "_foreign")
    flow = await begin(client, other, foreign)
    assert reason(await finish(client, held, flow)) == (401, "saml_refused")
    ours = await begin(client, corp, held)
    theirs = signed_response(other.facts(request_id=ours.request().get("ID"), assertion_id="_x"))
    assert reason(await finish(client, held, ours, theirs)) == (401, "saml_refused")
    assert (await finish(client, foreign, flow)).status_code == 200


async def test_who_has_a_second_factor_needs_it_here_too(
    client: httpx.AsyncClient, corp: Connected, clock: FakeClock
) -> None:
    async with corp.house.database.tenant(corp.tenant.id) as conn:
        scope = system_scope(corp.house, corp.tenant, conn)
        provider = await providers.require_provider(scope, corp.provider_id)
    await link_identity(corp.house, provider, corp.tenant.people["owner"].id, corp.email)
    before = await begin(client, corp, await sign_in(client, corp.tenant, "owner"))
    enrolled = await enrol(client, corp.tenant, clock)
    asked = await deliver(client, await corp.set_off())
    answer = await client.post(
        "/v1/auth/mfa/challenge",
        json={
            "mfa_token": asked.json()["details"]["mfa_token"],
            "code": totp_code(enrolled["secret"], clock),
        },
    )
    held = answer.json()
    assert reason(await ask(client, held)) == (403, "second_factor_needed")
    assert (await finish(client, held, before)).status_code == 401
    trusting = {"settings": {"trust_mfa": True}}
    path = f"/v1/auth/sso/providers/{corp.provider_id}"
    changed = await client.patch(path, json=trusting, headers=bearer(held))
    assert changed.status_code == 200, changed.text
    flow = await begin(client, corp, held)
    weak = signed_response(flow.facts(assertion_id="_weak"))
    assert reason(await finish(client, held, flow, weak)) == (403, "second_factor_needed")
    flow = await begin(client, corp, held)
    context = "https://refeds.org/profile/mfa"
    strong = signed_response(flow.facts(assertion_id="_strong", context=context))
    assert (await finish(client, held, flow, strong)).status_code == 200


async def test_a_logout_at_the_provider_ends_the_session_that_went_on(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    held = await enter(client, corp, "_first")
    flow = await begin(client, corp, held)
    document = signed_response(flow.facts(assertion_id="_proof", session_index="_anew"))
    proved = (await finish(client, held, flow, document)).json()
    leave = logout_request(
        destination=f"{corp.base}/slo",
        name_id=corp.email,
        indexes=("_anew",),
        now=corp.house.clock.now(),
    )
    left = await client.get(f"{corp.base}/slo?{in_address(leave)}")
    assert left.status_code == 303, left.text
    assert await status(client, proved) == 401


async def test_a_proof_counts_where_single_sign_on_is_asked_for(
    client: httpx.AsyncClient, corp: Connected, clock: FakeClock
) -> None:
    held = await enter(client, corp, "_first")
    await set_policy(corp.house, corp.tenant, sso_required=True)
    clock.advance(minutes=11)
    flow = await begin(client, corp, held)
    assert (await finish(client, held, flow)).status_code == 200


async def test_what_cannot_be_read_is_named(client: httpx.AsyncClient, corp: Connected) -> None:
    held = await enter(client, corp, "_first")
    flow = await begin(client, corp, held)
    body = {"saml_response": "x", "state": flow.handle}
    answer = await client.post("/v1/auth/saml/step-up", json=body, headers=bearer(held))
    assert (answer.status_code, answer.json()["details"]["field"]) == (400, "saml_response")
    assert (await finish(client, held, flow)).status_code == 200


async def test_a_disabled_person_is_not_proved_anew(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    held = await enter(client, corp, "_first")
    flow = await begin(client, corp, held)
    owner = await corp.tenant.headers(client)
    path = f"/v1/users/{held['user']['id']}"
    closed = await client.patch(path, json={"status": "disabled"}, headers=owner)
    assert closed.status_code == 200, closed.text
    assert (await finish(client, held, flow)).status_code == 401
