"""Metadata that is read again by itself."""

import json
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from leanvibe_server.identity.federation import repository as providers
from leanvibe_server.identity.federation.models import SsoProvider
from leanvibe_server.identity.saml import refreshing
from leanvibe_server.identity.saml.times import parse_span
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_mail import letters_to, work_off
from tests.identity.given_providers import add_provider, link_identity
from tests.identity.saml.documents import IDP, OTHER, metadata, sign, signed_response
from tests.identity.saml.provider import Connected, connect, deliver
from tests.identity.saml.publishing import ADDRESS, Publisher, publish, published


@pytest.fixture
def publisher(acme: Organisation) -> Publisher:
    return publish(acme.house)


async def connected(client: httpx.AsyncClient, acme: Organisation, **settings: Any) -> Connected:
    text = sign(metadata(), IDP)
    return await connect(client, acme, settings={"metadata_url": ADDRESS} | settings, text=text)


async def noted(admin: asyncpg.Connection, corp: Connected) -> list[tuple[str, dict[str, Any]]]:
    """The events about its metadata, with what they tell."""
    rows = await admin.fetch(
        "SELECT name, payload FROM events WHERE tenant_id = $1 AND name LIKE 'saml_metadata.%'",
        corp.tenant.id,
    )
    return [(row["name"], json.loads(row["payload"])) for row in rows]


async def known(client: httpx.AsyncClient, corp: Connected) -> dict[str, Any]:
    answer = await client.get(
        f"/v1/auth/sso/providers/{corp.provider_id}/metadata",
        headers=await corp.tenant.headers(client, "admin"),
    )
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


@pytest.fixture
async def corp(client: httpx.AsyncClient, acme: Organisation, publisher: Publisher) -> Connected:
    return await connected(client, acme)


async def a_day_later(corp: Connected, clock: FakeClock, admin: asyncpg.Connection) -> None:
    clock.advance(days=1, minutes=1)
    await refreshing.sweep(corp.house)
    await work_off(corp.house, admin, refreshing.REFRESH)


async def test_a_new_certificate_is_known_before_it_is_used(
    client: httpx.AsyncClient,
    corp: Connected,
    publisher: Publisher,
    clock: FakeClock,
    admin: asyncpg.Connection,
) -> None:
    publisher.answer = published(metadata(pairs=(IDP, OTHER)))
    await a_day_later(corp, clock, admin)
    flow = await corp.set_off()
    assert (await deliver(client, flow, signed_response(flow.facts(), pair=OTHER))).is_success
    ((name, body),) = await noted(admin, corp)
    assert (name, body["changed"]) == ("saml_metadata.changed", ["certificates"])
    assert len(body["certificates_added"]) == 1
    assert (body["certificates_removed"], body["all_replaced"]) == ([], False)
    told = await known(client, corp)
    assert (told["refreshed"], told["error"], len(told["certificates"])) == (True, None, 2)
    for role, number in (("owner", 1), ("admin", 1), ("developer", 0)):
        letters = await letters_to(admin, corp.tenant.people[role].email)
        new = [text for subject, text in letters if subject == "Corp has a new signing certificate"]
        assert len(new) == number
        assert all(body["certificates_added"][0] in text for text in new)


async def test_certificates_that_are_all_others_are_named_so(
    client: httpx.AsyncClient,
    corp: Connected,
    publisher: Publisher,
    clock: FakeClock,
    admin: asyncpg.Connection,
) -> None:
    publisher.answer = published(metadata(pairs=(OTHER,), sso="https://idp.example/elsewhere"))
    await a_day_later(corp, clock, admin)
    ((_, body),) = await noted(admin, corp)
    assert body["changed"] == ["certificates", "sign_on_url"]
    assert body["all_replaced"] is True
    assert "None of the certificates of before is left" in str(
        await letters_to(admin, corp.tenant.people["owner"].email)
    )
    flow = await corp.set_off()
    assert (await deliver(client, flow, signed_response(flow.facts(), pair=IDP))).status_code == 401


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404),
        httpx.Response(302, headers={"Location": "http://169.254.169.254/"}),
        published("<x/>"),
        published(metadata(entity="https://evil.example")),
        published(metadata(pairs=())),
        published(metadata(sso="http://idp.example/sso")),
    ],
)
async def test_sec_saml_sp_34_what_cannot_be_read_again_changes_nothing(
    client: httpx.AsyncClient,
    acme: Organisation,
    corp: Connected,
    publisher: Publisher,
    clock: FakeClock,
    admin: asyncpg.Connection,
    answer: httpx.Response,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "http://" in answer.text:
        monkeypatch.setattr(type(acme.house.settings), "production", property(lambda _: True))
    publisher.answer = answer
    await a_day_later(corp, clock, admin)
    told = await known(client, corp)
    assert (bool(told["error"]), told["failures"], len(told["certificates"])) == (True, 1, 1)
    assert [name for name, _ in await noted(admin, corp)] == ["saml_metadata.not_read"]
    monkeypatch.undo()
    flow = await corp.set_off()
    assert (await deliver(client, flow)).is_success


async def test_failed_tries_wait_ever_longer_and_are_forgotten_by_a_good_one(
    client: httpx.AsyncClient,
    corp: Connected,
    publisher: Publisher,
    clock: FakeClock,
    admin: asyncpg.Connection,
) -> None:
    publisher.answer = httpx.Response(404)
    await a_day_later(corp, clock, admin)
    waits = []
    for _ in range(7):
        told = await known(client, corp)
        due = datetime.fromisoformat(told["next_at"])
        waits.append(round((due - clock.now()) / timedelta(hours=1)))
        clock.advance(seconds=int((due - clock.now()).total_seconds()) + 60)
        await refreshing.sweep(corp.house)
        await work_off(corp.house, admin, refreshing.REFRESH)
    assert waits == [1, 2, 4, 8, 16, 24, 24]
    assert len(await noted(admin, corp)) == 1
    publisher.answer = published(metadata())
    await a_day_later(corp, clock, admin)
    told = await known(client, corp)
    assert (told["error"], told["failures"]) == (None, 0)


async def test_reading_it_by_hand_leaves_no_error_to_tell_of(
    client: httpx.AsyncClient,
    corp: Connected,
    publisher: Publisher,
    clock: FakeClock,
    admin: asyncpg.Connection,
) -> None:
    publisher.answer = httpx.Response(404)
    await a_day_later(corp, clock, admin)
    clock.advance(minutes=5)
    publisher.answer = published(metadata())
    again = await client.patch(
        f"/v1/auth/sso/providers/{corp.provider_id}",
        json={"settings": {}},
        headers=await corp.tenant.headers(client),
    )
    assert again.status_code == 200, again.text
    assert (await known(client, corp))["error"] is None


async def test_sec_saml_sp_34_a_pinned_certificate_binds_every_reading(
    client: httpx.AsyncClient,
    acme: Organisation,
    publisher: Publisher,
    clock: FakeClock,
    admin: asyncpg.Connection,
) -> None:
    publisher.answer = published(sign(metadata(), IDP))
    corp = await connected(client, acme, metadata_certificate=IDP.pem)
    for text in (metadata(pairs=(OTHER,)), sign(metadata(pairs=(OTHER,)), OTHER)):
        publisher.answer = published(text)
        await a_day_later(corp, clock, admin)
        assert "refused" in (await known(client, corp))["error"]
    publisher.answer = published(sign(metadata(pairs=(OTHER,)), IDP))
    await a_day_later(corp, clock, admin)
    flow = await corp.set_off()
    assert (await deliver(client, flow, signed_response(flow.facts(), pair=OTHER))).is_success


async def test_another_certificate_leads_into_no_account_above_whoever_set_it_up(
    client: httpx.AsyncClient,
    acme: Organisation,
    publisher: Publisher,
    clock: FakeClock,
    admin: asyncpg.Connection,
) -> None:
    body = {
        "provider_type": "saml",
        "provider_name": "Corp",
        "settings": {"metadata_url": ADDRESS},
    }
    made = await client.post(
        "/v1/auth/sso/providers", json=body, headers=await acme.headers(client, "admin")
    )
    corp = Connected(acme, made.json()["id"])
    provider = await _provider(corp)
    await link_identity(acme.house, provider, acme.people["owner"].id, "boss")
    await link_identity(acme.house, provider, acme.people["developer"].id, "dev")
    left = "SELECT subject FROM federated_identities WHERE tenant_id = $1 ORDER BY subject"
    await a_day_later(corp, clock, admin)
    assert [row["subject"] for row in await admin.fetch(left, acme.id)] == ["boss", "dev"]
    publisher.answer = published(metadata(pairs=(IDP, OTHER)))
    await a_day_later(corp, clock, admin)
    assert [row["subject"] for row in await admin.fetch(left, acme.id)] == ["dev"]


async def _provider(corp: Connected) -> SsoProvider:
    async with corp.house.database.tenant(corp.tenant.id) as conn:
        found = await providers.find(conn, corp.tenant.id, corp.provider_id)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("attributes", "hours"),
    [
        ("", 24),
        (' cacheDuration="PT6H"', 6),
        (' cacheDuration="PT1S"', 1),
        (' cacheDuration="P1Y"', 7 * 24),
        (' cacheDuration="soon"', 24),
    ],
)
async def test_the_metadata_says_how_long_it_may_rest(
    client: httpx.AsyncClient,
    corp: Connected,
    publisher: Publisher,
    clock: FakeClock,
    admin: asyncpg.Connection,
    attributes: str,
    hours: int,
) -> None:
    publisher.answer = published(metadata().replace(' ID="_metadata"', f' ID="_m"{attributes}'))
    await a_day_later(corp, clock, admin)
    due = datetime.fromisoformat((await known(client, corp))["next_at"])
    assert due - clock.now() == timedelta(hours=hours)


async def test_metadata_that_ends_soon_is_read_again_in_time(
    client: httpx.AsyncClient,
    corp: Connected,
    publisher: Publisher,
    clock: FakeClock,
    admin: asyncpg.Connection,
) -> None:
    publisher.answer = published(metadata(valid_until=clock.now() + timedelta(days=1, hours=6)))
    await a_day_later(corp, clock, admin)
    due = datetime.fromisoformat((await known(client, corp))["next_at"])
    assert timedelta(hours=2) < due - clock.now() <= timedelta(hours=3)
    # That the end moves on is no news.
    assert await noted(admin, corp) == []


async def test_nothing_is_asked_for_where_it_is_not_wanted(
    client: httpx.AsyncClient,
    acme: Organisation,
    publisher: Publisher,
    clock: FakeClock,
    admin: asyncpg.Connection,
) -> None:
    corp = await connected(client, acme, refresh_metadata=False)
    assert (await known(client, corp))["refreshed"] is False
    await a_day_later(corp, clock, admin)
    headers, path = await acme.headers(client), f"/v1/auth/sso/providers/{corp.provider_id}"
    on = await client.patch(path, json={"settings": {"refresh_metadata": None}}, headers=headers)
    assert on.status_code == 200, on.text
    assert (await client.post(f"{path}/disable", headers=headers)).status_code == 200
    await a_day_later(corp, clock, admin)
    assert (await known(client, corp))["tried_at"] is None


async def test_of_two_workers_one_reads_it(
    corp: Connected, publisher: Publisher, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    clock.advance(days=2)
    await refreshing.sweep(corp.house)
    await refreshing.sweep(corp.house)
    jobs = "SELECT count(*) FROM pgqueuer WHERE convert_from(payload, 'UTF8') LIKE '%' || $1 || '%'"
    assert await admin.fetchval(jobs, str(corp.provider_id)) == 1


async def test_who_speaks_openid_connect_has_no_metadata(
    client: httpx.AsyncClient, acme: Organisation, globex: Organisation, corp: Connected
) -> None:
    other = await add_provider(acme.house, acme)
    answer = await client.get(
        f"/v1/auth/sso/providers/{other.id}/metadata", headers=await acme.headers(client)
    )
    assert (answer.status_code, "OpenID Connect" in answer.text) == (404, True)
    foreign = await client.get(
        f"/v1/auth/sso/providers/{corp.provider_id}/metadata",
        headers=await globex.headers(client),
    )
    assert foreign.status_code == 404


def test_durations_are_those_of_xml_schema() -> None:
    assert parse_span("P1DT2H3M4.5S") == timedelta(days=1, hours=2, minutes=3, seconds=4)
    assert parse_span("P1Y2M") == timedelta(days=425)
    for text in ("", "P", "PT", "-P1D", "1D", "P1D\n", "PT99999999999H"):
        assert parse_span(text) is None
