"""Pages of roles, people in number, and organisations below one's own."""

import re

import asyncpg
import httpx

from leanvibe_server.kernel.house import House
from tests.given import Organisation
from tests.identity.given_sessions import set_policy
from tests.tenancy.given_trees import below, put_below
from tests.web.conftest import EnterAs


async def test_a_role_is_made_changed_and_deleted_by_its_pages(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "admin")
    await visitor.open("/settings/roles")
    made = {"name": "reviewer", "description": "", "permissions": ["task:read", "project:read"]}
    assert (await visitor.send("/settings/roles", made)).status_code == 303
    await visitor.open("/settings/roles")
    assert "The role is saved." in visitor.text
    role = re.search(r"/settings/roles/([0-9a-f-]{36})", visitor.page)
    assert role is not None
    await visitor.open(role[0])
    assert re.search(r'value="task:read" checked', visitor.page)
    assert "tenant:delete" not in visitor.page
    refused = await visitor.send(role[0], {"permissions": ["tenant:delete"]})
    assert refused.status_code == 403
    assert (await visitor.send(f"{role[0]}/delete", {"replacement": ""})).status_code == 303
    again = await visitor.open("/settings/roles")
    assert "reviewer" not in again.text
    bad = await visitor.send("/settings/roles", {"name": "No Name", "permissions": ["task:read"]})
    assert bad.status_code == 400


async def test_pasted_lines_are_invited_and_those_refused_stay_in_the_form(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "admin")
    await visitor.open("/settings/users")
    domain = acme.people["owner"].email.partition("@")[2]
    lines = f"a@{domain}\nb@{domain}; viewer\n{acme.people['viewer'].email}\n"
    answer = await visitor.send("/settings/users/many", {"lines": lines, "role": "guest"})
    assert answer.status_code == 200
    assert "2 invited, 1 not" in visitor.text
    assert f">{acme.people['viewer'].email}</textarea>" in visitor.page
    await visitor.open(f"/settings/users?status=invited&q=b@{domain}")
    assert f"b@{domain}" in visitor.text
    assert f"a@{domain}" not in visitor.text
    withdraw = re.search(r"/settings/users/[0-9a-f-]+/withdraw", visitor.page)
    assert withdraw is not None
    assert (await visitor.send(withdraw[0])).status_code == 303
    path = f"/settings/users/{acme.people['guest'].id}"
    await visitor.open(path)
    assert (await visitor.send(f"{path}/delete")).status_code == 303
    assert (await visitor.open(path)).status_code == 404


async def test_one_steps_into_an_organisation_below_under_a_banner_and_comes_back(
    enter_as: EnterAs, acme: Organisation, globex: Organisation, house: House
) -> None:
    child = await below(house, acme, "North")
    visitor = await enter_as(acme, "admin")
    await visitor.open("/organizations")
    assert child.tenant.display_name in visitor.text
    foreign = await visitor.send("/organizations/enter", {"tenant_id": str(globex.id)})
    assert foreign.status_code == 404
    await visitor.open("/organizations")
    stale = visitor.token
    entered = await visitor.send("/organizations/enter", {"tenant_id": str(child.id)})
    assert entered.status_code == 303
    for path in ("/settings/tenant", "/", "/settings/users", "/projects", "/settings/roles"):
        answer = await visitor.open(path)
        assert answer.status_code == 200, path
        assert "You act for" in visitor.text, path
    assert child.people["viewer"].email in (await visitor.open("/settings/users")).text
    # A form that was shown at home does nothing here.
    late = await visitor.send("/projects/new", {"name": "late"}, token=stale)
    assert late.status_code == 403
    await visitor.open("/projects/new")
    assert (await visitor.send("/projects/new", {"name": "north's"})).status_code == 303
    await visitor.open("/settings/users")
    assert (await visitor.send("/organizations/leave")).status_code == 303
    await visitor.open("/projects")
    assert "You act for" not in visitor.text
    assert "north's" not in visitor.text


async def test_who_may_not_act_any_more_comes_home_and_nothing_is_done(
    enter_as: EnterAs,
    acme: Organisation,
    globex: Organisation,
    house: House,
    admin: asyncpg.Connection,
) -> None:
    child = await below(house, acme, "North")
    visitor = await enter_as(acme, "admin")
    await visitor.open("/organizations")
    await visitor.send("/organizations/enter", {"tenant_id": str(child.id)})
    await visitor.open("/projects/new")
    await put_below(house, child.id, globex.id)
    answer: httpx.Response = await visitor.send("/projects/new", {"name": "lost"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert await admin.fetchval("SELECT count(*) FROM projects WHERE name = 'lost'") == 0
    await visitor.open("/")
    assert "You may not act for that organisation any more." in visitor.text
    assert "You act for" not in visitor.text


async def test_who_lacks_what_an_organisation_asks_for_is_told_so_at_home(
    enter_as: EnterAs, acme: Organisation, house: House
) -> None:
    child = await below(house, acme, "North")
    await set_policy(house, child, sso_required=True)
    visitor = await enter_as(acme, "admin")
    await visitor.open("/organizations")
    await visitor.send("/organizations/enter", {"tenant_id": str(child.id)})
    answer = await visitor.open("/settings/tenant")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    await visitor.open("/")
    assert "That organisation lets people in through an identity provider only." in visitor.text


async def test_an_organisation_is_added_by_its_page(enter_as: EnterAs, acme: Organisation) -> None:
    visitor = await enter_as(acme, "owner")
    await visitor.open("/organizations")
    new = {"organization_name": "Acme South", "admin_email": "south@acme.example"}
    assert (await visitor.send("/organizations", new)).status_code == 303
    await visitor.open("/organizations")
    assert "Acme South" in visitor.text
    bad = await visitor.send("/organizations", {"organization_name": "", "admin_email": "x"})
    assert bad.status_code == 400
    viewer = await enter_as(acme, "viewer")
    assert (await viewer.open("/organizations")).status_code == 403
