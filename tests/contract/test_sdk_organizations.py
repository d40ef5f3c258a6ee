"""The SDK's methods for organisations below one's own, against the application."""

import httpx

from leanvibe import LeanVibeClient
from leanvibe_server.kernel.house import House
from leanvibe_server.wiring import Doors
from tests.given import Organisation
from tests.tenancy.given_trees import below


async def test_a_tree_of_organisations_is_run_by_the_sdk(
    doors: Doors, house: House, client: httpx.AsyncClient, acme: Organisation
) -> None:
    north, south = await below(house, acme, "North"), await below(house, acme, "South")
    transport = httpx.ASGITransport(app=doors.app)
    token = await acme.token(client)
    base_url = "http://localhost:8765/v1"
    async with LeanVibeClient(access_token=token, base_url=base_url, transport=transport) as sdk:
        used = await sdk.organizations.usage(limit=1)
        assert (used.own.tenant_id, used.organizations_count) == (str(acme.id), 2)
        assert used.total.users_count == 10
        rest = await sdk.organizations.usage(cursor=used.next_cursor)
        assert [row.tenant_id for row in (*used.data, *rest.data)] == [str(north.id), str(south.id)]
        shown = await sdk.tenants.get(str(north.id))
        assert (shown.user_count, shown.suspended_reason) == (2, None)
        assert (await sdk.health.get()).services.database.region == "us"
        assert (await sdk.health.tenant(str(north.id))).quotas.users.current_usage == 2
        stopped = await sdk.organizations.suspend(north.id, reason="Contract ended")
        assert stopped.status == "suspended"
        listed = [one async for one in sdk.organizations.iterate()]
        assert listed[0].suspended_by_tenant_id == str(acme.id)
        assert (await sdk.organizations.reactivate(north.id)).status == "active"
        moved = await sdk.organizations.move(south.id, parent_tenant_id=north.id)
        assert moved.parent_tenant_id == str(north.id)
