"""What changes while a sign-in is on its way: between the redirect and the callback, and while the
provider is being asked."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from leanvibe_server.identity.federation import service as providers
from leanvibe_server.identity.repository import people
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.outbound import OutboundClient
from tests.fakes.oidc_provider import Person
from tests.given import Organisation
from tests.identity.given_people import system_scope
from tests.identity.given_providers import change_provider, link_identity, verify_domain
from tests.identity.oidc_world import World, make_world

Change = Callable[[World], Awaitable[None]]


@pytest.fixture
async def world(client: httpx.AsyncClient, acme: Organisation) -> World:
    world = await make_world(client, acme)
    await link_identity(acme.house, world.provider, acme.people["developer"].id)
    return world


async def lose_the_plan(world: World) -> None:
    async with world.organisation.house.database.tenant(world.organisation.id) as conn:
        await conn.execute(
            "UPDATE tenants SET plan = 'developer' WHERE id = $1", world.organisation.id
        )


async def replace_the_secret(world: World) -> None:
    await change_provider(world.organisation.house, world.provider, client_secret_sealed=b"another")


async def insist_on_a_workspace(world: World) -> None:
    settings = {"settings": {"hosted_domain": "corp.example"}}
    await change_provider(world.organisation.house, world.provider, configuration=settings)


async def delete_the_provider(world: World) -> None:
    async with world.organisation.house.database.tenant(world.organisation.id) as conn:
        scope = system_scope(world.organisation.house, world.organisation, conn)
        await providers.delete(scope, world.provider.id)


async def disable_the_user(world: World) -> None:
    async with world.organisation.house.database.tenant(world.organisation.id) as conn:
        await conn.execute(
            "UPDATE users SET status = 'disabled' WHERE tenant_id = $1 AND id = $2",
            world.organisation.id,
            world.organisation.people["developer"].id,
        )


CHANGES = [
    (lose_the_plan, 403),
    (insist_on_a_workspace, 400),
    (delete_the_provider, 400),
    (disable_the_user, 403),
]


async def while_it_is_asked(world: World, change: Change) -> httpx.Response:
    """Finish a sign-in; the change comes before the provider's last word is there."""
    outbound = world.organisation.house.part(OutboundClient)
    at_once = outbound.transport
    assert isinstance(at_once, httpx.MockTransport)

    class Meanwhile(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path == "/userinfo":
                await change(world)
            return await at_once.handle_async_request(request)

    outbound.transport = Meanwhile()
    return await world.finish(await world.come_back())


@pytest.mark.parametrize(("change", "status"), [*CHANGES, (replace_the_secret, 400)])
async def test_what_changes_while_the_provider_is_asked_holds(
    world: World, change: Change, status: int
) -> None:
    answer = await while_it_is_asked(world, change)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(("change", "status"), CHANGES)
async def test_what_changes_before_the_callback_holds(
    world: World, change: Change, status: int
) -> None:
    back = await world.come_back()
    await change(world)
    answer = await world.finish(back)
    assert answer.status_code == status, answer.text


async def test_a_domain_that_is_lost_on_the_way_links_no_more(world: World, house: House) -> None:
    organisation = world.organisation
    domain = f"{organisation.tenant.slug}.example"
    domain_id = await verify_domain(house, organisation, domain)
    async with house.database.tenant(organisation.id) as conn:
        present = await people.find_user(conn, organisation.id, organisation.people["viewer"].id)
    assert present is not None
    person = Person(subject="other", email=present.email)
    back = await world.come_back(person)
    async with house.database.tenant(organisation.id) as conn:
        await conn.execute(
            "UPDATE domains SET verified_at = NULL WHERE tenant_id = $1 AND id = $2",
            organisation.id,
            domain_id,
        )
    answer = await world.finish(back)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (403, "linking_required")


async def test_names_that_no_table_takes_are_no_names(world: World) -> None:
    for claim, value in (("sub", "a\u202eb"), ("sub", "a\x00"), ("sid", "s" * 4000), ("sid", "\n")):
        bent = {claim: value}
        world.idp.bend_claims = lambda claims, bent=bent: claims.update(bent)  # type: ignore[misc]
        world.idp.bend_userinfo = lambda told, bent=bent: told.update(  # type: ignore[misc]
            {name: value for name, value in bent.items() if name == "sub"}
        )
        answer = await world.sign_in()
        assert answer.status_code == 400
        assert answer.json()["details"]["reason"] == "provider_answer_invalid"
