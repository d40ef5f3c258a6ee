"""What a person sees and does about their own data."""

import asyncpg
import httpx

from leanvibe_server.kernel.ids import new_id
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.web.conftest import EnterAs


async def test_a_consent_is_withdrawn_where_it_is_shown(
    enter_as: EnterAs, client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client, "viewer")
    given = {"purpose": "product <news>", "version": "2026-03"}
    answer = await client.post("/v1/privacy/consents", json=given, headers=headers)
    assert answer.status_code == 201, answer.text
    visitor = await enter_as(acme, "viewer")
    await visitor.open("/settings/my-data")
    assert visitor.page.count("/settings/my-data/consents/withdraw") == 1
    taken = await visitor.send("/settings/my-data/consents/withdraw", given)
    assert taken.headers["location"] == "/settings/my-data"
    await visitor.open("/settings/my-data")
    assert "The consent is withdrawn." in visitor.text
    assert visitor.page.count("/settings/my-data/consents/withdraw") == 0
    kept = (await client.get("/v1/privacy/consents", headers=headers)).json()["data"]
    assert [one["given"] for one in kept] == [False, True]


async def test_the_account_leads_to_one_s_data(enter_as: EnterAs, acme: Organisation) -> None:
    visitor = await enter_as(acme, "viewer")
    await visitor.open("/account")
    assert 'href="/settings/my-data"' in visitor.page
    assert "You were asked for none." in (await visitor.open("/settings/my-data")).text


async def test_one_s_own_export_shows_among_many_of_others(
    enter_as: EnterAs, acme: Organisation, admin: asyncpg.Connection, clock: FakeClock
) -> None:
    visitor = await enter_as(acme, "admin")
    await visitor.open("/settings/my-data")
    asked = await visitor.send("/settings/my-data")
    assert asked.headers["location"] == "/settings/my-data"
    own = await admin.fetchrow(
        "SELECT * FROM privacy_exports WHERE requested_by = $1", acme.people["admin"].id
    )
    assert own is not None
    for _ in range(51):
        clock.advance(seconds=1)
        newer = {**own, "id": new_id(clock.now()), "user_id": None, "status": "expired"}
        places = ", ".join(f"${number}" for number in range(1, len(newer) + 1))
        await admin.execute(
            f"INSERT INTO privacy_exports ({', '.join(newer)}) VALUES ({places})",
            *newer.values(),
        )
    await visitor.open("/settings/my-data")
    assert len(visitor.page.split("<tbody>")[1].split("<tr>")) == 2
