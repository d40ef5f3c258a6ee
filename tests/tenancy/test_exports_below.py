"""An organisation's data leaves by its own people, and not by who acts for it from above."""

import httpx

from leanvibe_server.kernel.house import House
from tests.compliance.given_exports import export_by_link, write
from tests.given import Organisation
from tests.tenancy.given_trees import below
from tests.web.conftest import EnterAs, arrive, enter_as

__all__ = ["arrive", "enter_as"]


async def test_who_acts_from_above_is_refused_at_once_and_not_by_a_link_that_fails(
    client: httpx.AsyncClient, house: House, acme: Organisation
) -> None:
    child = await below(house, acme, "North")
    acting = await acme.headers(client, "owner") | {"X-Tenant-ID": str(child.id)}
    for wanted in ({}, {"user_id": str(child.people["viewer"].id)}):
        refused = await client.post("/v1/privacy/exports", json=wanted, headers=acting)
        assert refused.status_code == 403, refused.text
        assert refused.json()["details"]["reason"] == "acting_below"
        assert "owners or administrators" in refused.json()["message"]
    ready, _ = await export_by_link(client, child, await child.headers(client, "owner"))
    assert ready["status"] == "ready"


async def test_the_page_offers_them_neither_an_export_nor_a_link(
    enter_as: EnterAs, client: httpx.AsyncClient, house: House, acme: Organisation
) -> None:
    child = await below(house, acme, "North")
    own = await child.headers(client, "owner")
    asked = await client.post("/v1/privacy/exports", json={}, headers=own)
    await write(house, child, asked.json()["id"])
    visitor = await enter_as(acme, "admin")
    await visitor.open("/organizations")
    await visitor.send("/organizations/enter", {"tenant_id": str(child.id)})
    await visitor.open("/settings/privacy")
    assert "fetched by people of the organisation itself" in visitor.text
    assert "Write a ZIP" not in visitor.text
    assert "/download?" not in visitor.page
    late = await visitor.send("/settings/privacy/exports", {"export_email": ""})
    assert late.status_code == 403
    people = await enter_as(child, "owner")
    await people.open("/settings/privacy")
    assert ("Write a ZIP" in people.text, "/download?" in people.page) == (True, True)
