"""Pages of people: found, invited, looked after, handed over to, and leaving."""

import re
from datetime import timedelta

import asyncpg
import pytest

from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_providers import add_provider, link_identity
from tests.web.conftest import EnterAs


def page_of(organisation: Organisation, role: str) -> str:
    return f"/settings/users/{organisation.people[role].id}"


async def test_a_guests_access_is_extended_and_ended_and_dated_on_their_page(
    enter_as: EnterAs, acme: Organisation, admin: asyncpg.Connection, clock: FakeClock
) -> None:
    visitor, path = await enter_as(acme, "admin"), page_of(acme, "guest")
    until = (clock.now() + timedelta(days=5)).date()
    await visitor.open(path)
    form = {"username": "Gast", "role": "guest", "status": "active"}
    saved = await visitor.send(path, {**form, "expires_at": until.isoformat()})
    assert saved.headers["location"] == path, visitor.text
    find = "SELECT username, status, expires_at FROM users WHERE id = $1"
    row = await admin.fetchrow(find, acme.people["guest"].id)
    assert row is not None
    assert (row["username"], row["expires_at"].date()) == ("Gast", until)
    await visitor.open(path)
    assert "It ends by itself" in visitor.text
    for wrong in ("2020-01-01", "soon", ""):
        refused = await visitor.send(path, {**form, "expires_at": wrong})
        assert refused.status_code == 400, wrong
        assert 'id="expires_at-error"' in visitor.page
    assert (await visitor.send(f"{path}/extend")).status_code == 303
    longer = await admin.fetchrow(find, acme.people["guest"].id)
    assert longer is not None
    assert longer["expires_at"] == row["expires_at"] + timedelta(days=30)
    assert (await visitor.send(f"{path}/end")).status_code == 303
    ended = await admin.fetchrow(find, acme.people["guest"].id)
    assert ended is not None
    assert ended["status"] == "disabled"
    await visitor.open(path)
    assert (await visitor.send(f"{path}/extend")).status_code == 303
    assert (await admin.fetchrow(find, acme.people["guest"].id))["status"] == "active"


async def test_the_list_names_people_and_leads_to_those_one_may_change(
    enter_as: EnterAs, acme: Organisation, admin: asyncpg.Connection
) -> None:
    await admin.execute(
        "UPDATE users SET username = 'Vera <b>' WHERE id = $1", acme.people["viewer"].id
    )
    link = f'href="{page_of(acme, "viewer")}"'
    visitor = await enter_as(acme, "admin")
    await visitor.open("/settings/users")
    assert "Vera <b>" in visitor.text
    assert link in visitor.page
    assert 'href="#invite"' in visitor.page
    await (reader := await enter_as(acme, "developer")).open("/settings/users")
    assert "Vera <b>" in reader.text
    assert link not in reader.page
    assert 'href="#invite"' not in reader.page


async def test_the_page_of_a_person_leads_to_what_the_log_says_of_them(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor, viewer = await enter_as(acme, "admin"), acme.people["viewer"]
    await visitor.open(page_of(acme, "viewer"))
    path = f"/audit?user_id={viewer.id}"
    assert f'href="{path}"' in visitor.page
    await visitor.open(path)
    assert f"What {viewer.email} did, and what was done to their account." in visitor.text


async def test_a_person_above_ones_own_role_is_seen_and_not_changed(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor, path = await enter_as(acme, "admin"), page_of(acme, "owner")
    await visitor.open(path)
    assert "may do more than yours" in visitor.text
    assert f'action="{path}' not in visitor.page
    for act in ("extend", "end", "delete"):
        assert (await visitor.send(f"{path}/{act}")).status_code in (403, 409), act


async def test_linked_accounts_are_shown_and_unlinked(
    enter_as: EnterAs, acme: Organisation, house: House
) -> None:
    provider = await add_provider(house, acme)
    await link_identity(house, provider, acme.people["viewer"].id)
    visitor, path = await enter_as(acme, "admin"), page_of(acme, "viewer")
    await visitor.open(path)
    assert provider.name in visitor.text
    unlink = re.search(rf"{path}/identities/[0-9a-f-]+/unlink", visitor.page)
    assert unlink is not None
    assert (await visitor.send(unlink[0])).headers["location"] == path
    await visitor.open(path)
    assert "They sign in by no identity provider." in visitor.text


async def test_a_group_has_a_page_on_which_people_come_and_go(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "admin")
    await visitor.open("/settings/groups")
    made = await visitor.send("/settings/groups", {"name": "Engineers", "role": "manager"})
    path = made.headers["location"]
    await visitor.open(path)
    assert "Nobody is in it yet" in visitor.text
    developer, viewer = acme.people["developer"], acme.people["viewer"]
    added = await visitor.send(f"{path}/members", {"email": f"{developer.email}, {viewer.email}"})
    assert added.status_code == 303, visitor.text
    await visitor.open(path)
    assert "2 members" in visitor.text
    strange = await visitor.send(f"{path}/members", {"email": "nobody@nowhere.example"})
    assert strange.status_code == 400
    assert "Nobody here has this e-mail" in visitor.text
    owner = acme.people["owner"]
    assert (await visitor.send(f"{path}/members/{owner.id}/remove")).status_code == 404
    await visitor.open(path)
    assert (await visitor.send(f"{path}/members/{viewer.id}/remove")).status_code == 303
    saved = await visitor.send(
        f"{path}/settings", {"name": "Builders", "description": "All", "role": ""}
    )
    assert saved.status_code == 303, visitor.text
    await visitor.open(page_of(acme, "developer"))
    assert "Builders" in visitor.text
    leave = re.search(r"/settings/users/[0-9a-f-]+/groups/[0-9a-f-]+/leave", visitor.page)
    assert leave is not None
    assert (await visitor.send(leave[0])).status_code == 303
    await visitor.open(path)
    assert (await visitor.send(f"{path}/delete")).headers["location"] == "/settings/groups"


async def test_the_organisation_is_handed_over_only_by_its_typed_name(
    enter_as: EnterAs, acme: Organisation
) -> None:
    by_admin = await enter_as(acme, "admin")
    await by_admin.open("/settings/ownership")
    assert "Only an owner hands the organisation over" in by_admin.text
    owner, heir = await enter_as(acme, "owner"), acme.people["developer"]
    await owner.open(f"/settings/ownership?user={heir.id}")
    assert f'value="{heir.email}"' in owner.page
    form = {"email": heir.email, "keep_role": "viewer", "confirm": "wrong"}
    assert (await owner.send("/settings/ownership", form)).status_code == 400
    form["confirm"] = acme.tenant.slug
    stranger = {**form, "email": "nobody@nowhere.example"}
    assert (await owner.send("/settings/ownership", stranger)).status_code == 400
    admins = await by_admin.send("/settings/ownership", form)
    assert admins.status_code == 403
    assert (await owner.send("/settings/ownership", form)).headers["location"] == "/"
    assert (await owner.open("/settings/api-keys")).status_code == 403


async def test_a_stale_session_proves_itself_before_it_hands_over(
    enter_as: EnterAs, acme: Organisation, clock: FakeClock
) -> None:
    owner = await enter_as(acme, "owner")
    await owner.open("/settings/ownership")
    clock.advance(minutes=11)
    form = {
        "email": acme.people["admin"].email,
        "keep_role": "admin",
        "confirm": acme.tenant.slug,
    }
    asked = await owner.send("/settings/ownership", form)
    assert asked.status_code == 403
    assert "Password" in owner.text
    assert (await owner.open("/settings/api-keys")).status_code == 200


async def test_the_last_owner_is_told_why_they_stay_and_others_leave(
    enter_as: EnterAs, acme: Organisation
) -> None:
    owner = await enter_as(acme, "owner")
    await owner.open("/account/leave")
    assert "You cannot leave yet." in owner.text
    assert "/settings/ownership" in owner.page
    refused = await owner.send("/account/leave", {"confirm": acme.tenant.slug})
    assert refused.status_code == 409
    viewer = await enter_as(acme, "viewer")
    await viewer.open("/account/leave")
    assert (await viewer.send("/account/leave", {"confirm": ""})).status_code == 400
    gone = await viewer.send("/account/leave", {"confirm": acme.tenant.slug})
    assert gone.headers["location"] == "/login"
    assert (await viewer.open("/account")).status_code == 303


@pytest.mark.parametrize("role", ["viewer", "admin"])
async def test_the_search_keeps_its_filters_and_survives_nonsense(
    enter_as: EnterAs, acme: Organisation, role: str
) -> None:
    visitor = await enter_as(acme, role)
    for query in ("mfa=none", "seen=before-x", "sort=password", "guest=maybe", "mfa=x"):
        assert (await visitor.open(f"/settings/users?{query}")).status_code == 200, query
    await visitor.open("/settings/users?guest=true&sort=email&seen=before-30")
    assert acme.people["guest"].email in visitor.text
    assert acme.people["owner"].email not in visitor.page.split("<tbody>")[1].split("</tbody>")[0]
    assert '<option value="before-30" selected>' in visitor.page
    assert ("Second factor" in visitor.text) == (role == "admin")


async def test_each_pasted_line_is_answered_and_invitations_are_sorted_by_state(
    enter_as: EnterAs, acme: Organisation, clock: FakeClock
) -> None:
    visitor = await enter_as(acme, "admin")
    await visitor.open("/settings/users")
    domain = acme.people["owner"].email.partition("@")[2]
    lines = f"a@{domain}\nno address\nb@{domain},owner\n"
    form = {"lines": lines, "role": "viewer", "invitation_days": "1"}
    await visitor.send("/settings/users/many", form)
    assert "1 invited, 2 not" in visitor.text
    assert "You cannot give a role above your own." in visitor.text
    await visitor.open("/settings/invitations?state=pending")
    assert f"a@{domain}" in visitor.text
    again = re.search(r"/settings/users/[0-9a-f-]+/invite-again", visitor.page)
    assert again is not None
    sent = await visitor.send(again[0], {"from_invitations": "on"})
    assert sent.headers["location"] == "/settings/invitations"
    clock.advance(days=8)
    visitor = await enter_as(acme, "admin")
    await visitor.open("/settings/invitations?state=expired")
    assert f"a@{domain}" in visitor.text
    await visitor.open("/settings/invitations?state=pending")
    assert f"a@{domain}" not in visitor.text


async def test_of_a_file_the_refused_lines_stay_to_be_mended(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "admin")
    await visitor.open("/settings/users")
    assert re.search(r'href="/static/[^"]+/invitations.csv" download', visitor.page)
    domain = acme.people["owner"].email.partition("@")[2]
    text = f"email;name;role\nfile@{domain};Ada;viewer\nmend@{domain};;owner\n"
    answer = await visitor.client.post(
        "/settings/users/many",
        data={"form_token": visitor.token, "lines": "", "role": "viewer"},
        files={"file": ("people.csv", "\ufeff" + text, "text/csv")},
    )
    assert "1 invited, 1 not" in answer.text
    assert f"email;name;role\nmend@{domain};;owner</textarea>" in answer.text
    nothing = await visitor.client.post(
        "/settings/users/many", data={"form_token": visitor.token, "lines": "", "role": "viewer"}
    )
    assert "there is no line with an e-mail address" in nothing.text
