"""The SDK's methods for service accounts, groups and provisioning, against the application."""

from datetime import UTC, datetime

import httpx
import pytest

from leanvibe import LeanVibeClient, exceptions
from leanvibe_server.wiring import Doors
from tests.given import Organisation


async def test_programs_groups_and_provisioning_are_managed_by_the_sdk(
    doors: Doors, client: httpx.AsyncClient, acme: Organisation
) -> None:
    transport = httpx.ASGITransport(app=doors.app)
    token = await acme.token(client)
    base_url = "http://localhost:8765/v1"
    async with LeanVibeClient(access_token=token, base_url=base_url, transport=transport) as sdk:
        account = await sdk.service_accounts.create(name="Robot", role="developer")
        made = await sdk.service_accounts.create_client(account.id, name="CI")
        rotated = await sdk.service_accounts.rotate_client(account.id, made.id, overlap_hours=0)
        assert rotated.client_id == made.client_id
        await sdk.service_accounts.revoke_client(account.id, made.id)
        key = await sdk.service_accounts.create_key(account.id, name="CI")
        successor = await sdk.api_keys.rotate(key.id, overlap_hours=1)
        assert successor.replaces == key.id
        changed = await sdk.service_accounts.update(account.id, status="disabled")
        assert changed.status == "disabled"
        assert [one.id async for one in sdk.service_accounts.iterate()] == [account.id]
        await sdk.service_accounts.delete(account.id)

        group = await sdk.groups.create(name="Engineers", role="manager")
        viewer = acme.people["viewer"].id
        assert (await sdk.groups.add_members(group.id, [viewer])).members_count == 1
        await sdk.groups.remove_member(group.id, viewer)
        assert (await sdk.groups.update(group.id, role=None)).role is None
        assert [one.id for one in await sdk.groups.list()] == [group.id]
        await sdk.groups.delete(group.id)

        token_made = await sdk.scim.create_token(name="Okta")
        assert str(token_made.base_url).endswith(acme.tenant.slug)
        assert [one.id for one in await sdk.scim.tokens()] == [token_made.id]
        await sdk.scim.revoke_token(token_made.id)
        assert (await sdk.scim.status()).provisioned_users == 0


async def test_a_program_signs_in_by_client_credentials(
    doors: Doors, client: httpx.AsyncClient, acme: Organisation
) -> None:
    transport = httpx.ASGITransport(app=doors.app)
    token = await acme.token(client)
    base_url = "http://localhost:8765/v1"
    async with LeanVibeClient(access_token=token, base_url=base_url, transport=transport) as sdk:
        account = await sdk.service_accounts.create(name="Robot", role="developer")
        end = datetime(2030, 1, 1, tzinfo=UTC)
        made = await sdk.service_accounts.create_client(account.id, name="CI", expires_at=end)
        assert made.expires_at == end
        assert [one.id for one in await sdk.service_accounts.clients(account.id)] == [made.id]
        assert (await sdk.service_accounts.get(account.id)).name == "Robot"
    shown = {"client_id": made.client_id, "client_secret": str(made.client_secret)}
    async with LeanVibeClient(base_url=base_url, transport=transport) as program:
        opened = await program.oauth.token(scopes=["project:read", "self"], **shown)
        assert opened.scope == "project:read self"
        assert (await program.auth.me()).username == "Robot"
        assert (await program.oauth.introspect(opened.access_token, **shown)).active
        await program.oauth.revoke(opened.access_token, **shown)
        assert not (await program.oauth.introspect(opened.access_token, **shown)).active
        with pytest.raises(exceptions.AuthenticationError):
            await program.auth.me()
        with pytest.raises(exceptions.AuthenticationError) as refused:
            await program.oauth.token(client_id=made.client_id, client_secret="wrong")
    assert refused.value.code == "invalid_client"
