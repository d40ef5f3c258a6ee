"""Single words of responses that are not what they look like: names, times, addresses."""

from datetime import timedelta

import asyncpg
import httpx
import pytest

from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_providers import verify_domain
from tests.identity.saml.documents import at, signed_response
from tests.identity.saml.provider import Connected, connect, deliver


@pytest.mark.parametrize("year", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
async def test_sec_saml_sp_25_the_first_and_last_of_all_years_are_times_like_others(
    client: httpx.AsyncClient, corp: Connected, year: str
) -> None:
    flow = await corp.set_off()
    good = signed_response(flow.facts())
    told = f'IssueInstant="{at(flow.facts().now)}"'
    answer = await deliver(client, flow, good.replace(told, f'IssueInstant="{year}"', 1))
    assert answer.status_code == (200 if year.startswith("0") else 401), answer.text


async def test_an_assertion_without_a_real_end_is_still_taken_once(
    client: httpx.AsyncClient, corp: Connected, clock: FakeClock
) -> None:
    end = clock.now().replace(year=9999, month=12, day=31, hour=23, minute=59, second=59)
    for status in (200, 401):
        flow = await corp.set_off()
        document = signed_response(flow.facts(not_on_or_after=end))
        assert (await deliver(client, flow, document)).status_code == status


async def test_sec_saml_sp_13_a_blank_at_the_end_of_a_name_makes_nobody_else_of_it(
    client: httpx.AsyncClient, corp: Connected
) -> None:
    first = await deliver(client, await corp.set_off())
    flow = await corp.set_off()
    other = flow.facts(
        name_id=f"{corp.email}\u00a0",
        assertion_id="_other",
        attributes={"email": [f"other-{corp.email}"]},
    )
    second = await deliver(client, flow, signed_response(other))
    assert second.status_code == 200, second.text
    assert second.json()["user"]["id"] != first.json()["user"]["id"]


async def test_a_group_with_a_blank_of_another_kind_is_another_group(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    rules = [{"claim": "groups", "value": "staff", "role": "manager"}]
    corp = await connect(client, acme, role_mapping=rules, default_role="viewer")
    flow = await corp.set_off()
    facts = flow.facts(attributes={"email": [corp.email], "groups": ["staff\u2003"]})
    answer = await deliver(client, flow, signed_response(facts))
    assert answer.json()["user"]["role"] == "viewer"


async def test_an_address_that_only_looks_like_anothers_opens_no_account(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    corp = await connect(client, acme)
    email = acme.people["developer"].email
    await verify_domain(acme.house, acme, email.partition("@")[2])
    likeness = email.replace("e", "\uff45", 1)
    for number, (claimed, status) in enumerate([(likeness, 403), (email.upper(), 200)]):
        flow = await corp.set_off()
        facts = flow.facts(
            name_id=f"somebody-{number}", assertion_id=f"_{number}", attributes={"email": [claimed]}
        )
        answer = await deliver(client, flow, signed_response(facts))
        assert answer.status_code == status, answer.text


async def test_who_should_prove_themselves_anew_does_not_come_by_an_old_sign_in(
    client: httpx.AsyncClient, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    corp = await connect(client, acme, settings={"force_authn": True})
    flow = await corp.set_off()
    assert flow.request().get("ForceAuthn") == "true"
    long_ago = at(clock.now() - timedelta(minutes=10))
    facts = flow.facts()
    fresh = f'AuthnInstant="{at(facts.now)}"'

    def aged(text: str) -> str:
        return text.replace(fresh, f'AuthnInstant="{long_ago}"')

    assert (await deliver(client, flow, signed_response(facts, edit=aged))).status_code == 401
    reason = await admin.fetchval(
        "SELECT payload->>'reason' FROM events WHERE tenant_id = $1 AND name = 'saml.refused'",
        acme.id,
    )
    assert "anew" in reason
    assert (await deliver(client, flow)).status_code == 200


async def test_of_two_sessions_at_the_provider_the_first_to_end_counts(
    client: httpx.AsyncClient, corp: Connected, clock: FakeClock
) -> None:
    flow = await corp.set_off()
    facts = flow.facts()
    soon = at(clock.now() + timedelta(minutes=5))
    second = f'<saml:AuthnStatement AuthnInstant="{at(facts.now)}" SessionNotOnOrAfter="{soon}"/>'

    def doubled(text: str) -> str:
        return text.replace("</saml:AuthnStatement>", f"</saml:AuthnStatement>{second}")

    answer = await deliver(client, flow, signed_response(facts, edit=doubled))
    token = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await client.get("/v1/auth/me", headers=token)).status_code == 200
    clock.advance(minutes=6)
    assert (await client.get("/v1/auth/me", headers=token)).status_code == 401
