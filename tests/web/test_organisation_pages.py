"""The pages of the organisations below one's own: the tree, one of them, and what they use."""

from uuid import UUID

import asyncpg

from leanvibe_server.kernel.house import House
from leanvibe_server.tenancy.tree.models import Node
from leanvibe_server.web.tree_view import Tree
from tests.given import Organisation
from tests.tenancy.given_trees import below
from tests.web.conftest import EnterAs
from tests.web.visitors import Visitor

HERE = "/organizations"


async def parent_of(admin: asyncpg.Connection, organisation: Organisation) -> UUID:
    found: UUID = await admin.fetchval(
        "SELECT parent_tenant_id FROM tenants WHERE id = $1", organisation.id
    )
    return found


def before(visitor: Visitor, first: Organisation, second: Organisation) -> bool:
    names = first.tenant.display_name, second.tenant.display_name
    return visitor.text.index(names[0]) < visitor.text.index(names[1])


async def test_the_tree_is_shown_from_top_to_bottom_and_searched(
    enter_as: EnterAs, house: House, acme: Organisation, north: Organisation
) -> None:
    alpha = await below(house, acme, "Alpha")
    pole = await below(house, north, "Pole")
    visitor = await enter_as(acme, "admin")
    await visitor.open(HERE)
    assert before(visitor, alpha, north)
    assert before(visitor, north, pole)
    assert '<tr class="indent-1">' in visitor.page
    await visitor.open(f"{HERE}?q=pole")
    rows = visitor.page.partition("<tbody>")[2].partition("</tbody>")[0]
    assert pole.tenant.slug in rows
    assert north.tenant.slug in rows
    assert alpha.tenant.slug not in rows
    await visitor.open(f"{HERE}?q=nowhere")
    assert "None found" in visitor.text


async def test_one_is_moved_and_moved_back(
    enter_as: EnterAs,
    house: House,
    acme: Organisation,
    north: Organisation,
    admin: asyncpg.Connection,
) -> None:
    south = await below(house, acme, "South")
    visitor = await enter_as(acme, "admin")
    path = f"{HERE}/{north.id}"
    await visitor.open(path)
    moved = await visitor.send(f"{path}/move", {"parent_tenant_id": str(south.id)})
    assert moved.status_code == 303, visitor.text
    assert await parent_of(admin, north) == south.id
    await visitor.open(moved.headers["location"])
    assert f"It was below {acme.tenant.display_name} before" in visitor.text
    await visitor.send(f"{path}/move", {"parent_tenant_id": str(acme.id)})
    assert await parent_of(admin, north) == acme.id


async def test_a_circle_is_refused_in_words_and_nothing_moves(
    enter_as: EnterAs,
    house: House,
    acme: Organisation,
    globex: Organisation,
    north: Organisation,
    admin: asyncpg.Connection,
) -> None:
    pole = await below(house, north, "Pole")
    visitor = await enter_as(acme, "admin")
    path = f"{HERE}/{north.id}"
    await visitor.open(path)
    assert f'<option value="{pole.id}"' not in visitor.page
    for where, status in ((pole, 409), (north, 409), (globex, 404)):
        refused = await visitor.send(f"{path}/move", {"parent_tenant_id": str(where.id)})
        assert refused.status_code == status
        if status == 409:
            assert "cannot come under itself or one below it" in visitor.text
    assert (await visitor.send(f"{path}/move", {"parent_tenant_id": "x"})).status_code == 400
    assert await parent_of(admin, north) == acme.id
    assert (await visitor.open(f"{HERE}/{globex.id}")).status_code == 404


async def test_one_is_suspended_with_a_reason_that_its_people_read_and_goes_on_again(
    enter_as: EnterAs, acme: Organisation, north: Organisation
) -> None:
    visitor = await enter_as(acme, "admin")
    path = f"{HERE}/{north.id}"
    await visitor.open(path)
    assert (await visitor.send(f"{path}/suspend", {"reason": ""})).status_code == 400
    stopped = await visitor.send(f"{path}/suspend", {"reason": "Contract ended"})
    assert stopped.status_code == 303
    inside = await enter_as(north, "viewer")
    await inside.open("/")
    assert "is suspended." in inside.text
    assert "Contract ended" in inside.text
    await visitor.open(path)
    assert (await visitor.send(f"{path}/reactivate")).status_code == 303
    await inside.open("/")
    assert "is suspended." not in inside.text


async def test_a_suspension_from_above_shows_no_button(
    enter_as: EnterAs, acme: Organisation, north: Organisation, admin: asyncpg.Connection
) -> None:
    await admin.execute("UPDATE tenants SET status = 'suspended' WHERE id = $1", north.id)
    visitor = await enter_as(acme, "admin")
    path = f"{HERE}/{north.id}"
    await visitor.open(path)
    assert "suspended from above your organisation" in visitor.text
    assert f"{path}/reactivate" not in visitor.page
    assert (await visitor.send(f"{path}/reactivate")).status_code == 403


async def test_what_all_use_is_on_one_page(
    enter_as: EnterAs, acme: Organisation, north: Organisation
) -> None:
    visitor = await enter_as(acme, "admin")
    await visitor.open(f"{HERE}/usage")
    assert "Together 8 0" in visitor.text
    assert north.tenant.display_name in visitor.text
    viewer = await enter_as(acme, "viewer")
    for path in (f"{HERE}/usage", f"{HERE}/{north.id}"):
        assert (await viewer.open(path)).status_code == 403


def test_a_chain_as_long_as_may_be_is_ordered() -> None:
    ids = [UUID(int=number) for number in range(1_001)]
    nodes = [_node(ids[number], ids[number - 1], number) for number in range(1_000, 0, -1)]
    tree = Tree.of(ids[0], nodes)
    assert [node.id for node in tree.nodes] == ids[1:]
    assert len(tree.above(tree.nodes[-1])) == 999
    assert tree.below(tree.nodes[0]) == set(ids[2:])


def _node(tenant_id: UUID, parent_id: UUID, depth: int) -> Node:
    return Node(
        id=tenant_id,
        slug=f"n{depth}",
        organization_name="N",
        display_name="N",
        status="active",
        plan="team",
        data_residency="us",
        parent_tenant_id=parent_id,
        depth=depth,
        children=1,
        created_at=None,  # type: ignore[arg-type]  # not looked at
        suspended_reason=None,
        suspended_by=None,
    )
