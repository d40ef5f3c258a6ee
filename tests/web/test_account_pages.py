"""One's own account, the security policy, and the question who one is."""

import re

import asyncpg
import pytest

from leanvibe_server.identity.account.passwords import SEND_RESET
from leanvibe_server.kernel.house import House
from leanvibe_server.wiring import Doors
from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation
from tests.identity.given_mail import letters_to, link_to, work_off
from tests.identity.given_scim import patch, provisioner
from tests.web.conftest import Arrive, EnterAs

NEW = "seven green umbrellas sing"


async def test_the_account_shows_who_one_is_and_where_one_is_signed_in(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "viewer")
    await enter_as(acme, "viewer")
    assert (await visitor.open("/account")).status_code == 200
    assert acme.people["viewer"].email in visitor.text
    assert visitor.text.count("127.0.0.1") == 2
    assert "this one" in visitor.text
    assert 'href="/account"' in visitor.page
    assert 'href="/account/links"' in visitor.page


async def test_another_device_is_signed_out_from_the_account(
    enter_as: EnterAs, acme: Organisation
) -> None:
    lost, visitor = await enter_as(acme, "viewer"), await enter_as(acme, "viewer")
    await visitor.open("/account")
    own, other = re.findall(r"/account/sessions/([0-9a-f-]+)/end", visitor.page)
    answer = await visitor.send(f"/account/sessions/{other}/end")
    assert answer.headers["location"] == "/account"
    assert (await lost.open("/account")).status_code == 303
    await visitor.open("/account")
    own_end = await visitor.send(f"/account/sessions/{own}/end")
    assert own_end.headers["location"] == "/login"
    assert (await visitor.open("/account")).status_code == 303


async def test_ones_name_is_changed_on_the_account(enter_as: EnterAs, acme: Organisation) -> None:
    visitor = await enter_as(acme, "guest")
    await visitor.open("/account")
    assert (await visitor.send("/account/name", {"username": ""})).status_code == 400
    assert "Must not be empty." in visitor.text
    assert (await visitor.send("/account/name", {"username": "a" * 65})).status_code == 400
    assert "Must have at most 64 characters." in visitor.text
    done = await visitor.send("/account/name", {"username": "Ada Lovelace"})
    assert done.headers["location"] == "/account"
    await visitor.open("/account")
    assert 'value="Ada Lovelace"' in visitor.page
    assert "Your name is changed." in visitor.text


async def test_a_name_that_a_directory_keeps_has_no_form(
    enter_as: EnterAs, doors: Doors, acme: Organisation
) -> None:
    async with provisioner(doors, acme) as idp:
        change = {"op": "replace", "path": "displayName", "value": "Theirs"}
        await patch(idp, f"/Users/{acme.people['viewer'].id}", change)
    visitor = await enter_as(acme, "viewer")
    await visitor.open("/account")
    assert "/account/name" not in visitor.page
    assert "Kept by your organisation’s directory" in visitor.text


@pytest.mark.parametrize(("fields", "stays"), [({"keep_current": "on"}, True), ({}, False)])
async def test_signing_out_everywhere_from_the_account(
    enter_as: EnterAs, acme: Organisation, fields: dict[str, str], stays: bool
) -> None:
    other, visitor = await enter_as(acme, "viewer"), await enter_as(acme, "viewer")
    await visitor.open("/account")
    await visitor.send("/account/sign-out-everywhere", fields)
    assert (await other.open("/account")).status_code == 303
    assert (await visitor.open("/account")).status_code == (200 if stays else 303)


async def test_a_password_is_changed_on_the_account(
    enter_as: EnterAs, arrive: Arrive, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "viewer")
    await visitor.open("/account")
    wrong = await visitor.send(
        "/account/password", {"current_password": "not it", "new_password": NEW}
    )
    assert wrong.status_code == 403
    assert "The password is wrong" in visitor.text
    assert NEW not in visitor.page
    weak = await visitor.send(
        "/account/password", {"current_password": PASSWORD, "new_password": "password1234"}
    )
    assert weak.status_code == 400
    done = await visitor.send(
        "/account/password", {"current_password": PASSWORD, "new_password": NEW}
    )
    assert (done.status_code, done.headers["location"]) == (303, "/account")
    assert (await visitor.open("/account")).status_code == 200


async def test_a_forgotten_password_is_set_anew_by_mail(
    arrive: Arrive, house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    visitor, email = await arrive(), acme.people["viewer"].email
    await visitor.open("/login")
    assert 'href="/forgot"' in visitor.page
    pages = []
    for address in (email, "nobody@nowhere.example"):
        await visitor.open("/forgot")
        assert (await visitor.send("/forgot", {"email": address})).status_code == 202
        pages.append(visitor.text)
    assert pages[0] == pages[1]
    await work_off(house, admin, SEND_RESET)
    path = f"/reset/{await link_to(admin, email, 'reset')}"
    await visitor.open(path)
    assert (await visitor.send(path, {"password": "short"})).status_code == 400
    done = await visitor.send(path, {"password": NEW})
    assert done.headers["location"] == "/login"
    await visitor.open("/login")
    again = await visitor.send("/login", {"email": email, "password": NEW})
    assert again.status_code == 303


async def test_a_new_address_is_asked_for_and_confirmed_by_a_press(
    enter_as: EnterAs, acme: Organisation, admin: asyncpg.Connection
) -> None:
    visitor = await enter_as(acme, "viewer")
    await visitor.open("/account")
    wanted = f"moved-{acme.people['viewer'].email}"
    await visitor.send("/account/email", {"new_email": wanted})
    path = f"/confirm-email/{await link_to(admin, wanted, 'confirm-email')}"
    await visitor.open(path)
    id_ = acme.people["viewer"].id
    email = "SELECT email FROM users WHERE id = $1"
    assert await admin.fetchval(email, id_) == acme.people["viewer"].email
    assert (await visitor.send(path)).headers["location"] == "/login"
    assert await admin.fetchval(email, id_) == wanted
    assert len(await letters_to(admin, acme.people["viewer"].email)) == 2


async def test_a_sensitive_form_asks_who_one_is_keeps_what_was_typed_and_goes_on(
    enter_as: EnterAs, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    visitor = await enter_as(acme, "owner")
    await visitor.open("/settings/security")
    clock.advance(minutes=11)
    typed = {"password_min_length": "17", "password_history": "5", "mfa_methods": "totp"}
    asked = await visitor.send("/settings/security", typed)
    assert asked.status_code == 403
    assert "Confirm that it is you" in visitor.text
    ticket = re.search(r'name="ticket" value="([^"]+)"', visitor.page)
    assert ticket is not None
    before = visitor.client.cookies["lv_session"]
    wrong = await visitor.send("/step-up", {"ticket": ticket[1], "password": "not it"})
    assert wrong.status_code == 403
    assert ticket[1] in visitor.page
    right = await visitor.send("/step-up", {"ticket": ticket[1], "password": PASSWORD})
    assert right.status_code == 200, visitor.text
    assert visitor.client.cookies["lv_session"] != before
    assert 'action="/settings/security"' in visitor.page
    assert 'name="password_min_length" value="17"' in visitor.page
    saved = await visitor.send("/settings/security", typed)
    assert saved.status_code == 303, visitor.text
    kept = await admin.fetchval("SELECT security FROM tenants WHERE id = $1", acme.id)
    assert '"password_min_length": 17' in kept


async def test_nobody_goes_on_with_a_form_of_somebody_else(
    enter_as: EnterAs, acme: Organisation, clock: FakeClock
) -> None:
    owner = await enter_as(acme, "owner")
    await owner.open("/settings/security")
    clock.advance(minutes=11)
    await owner.send("/settings/security", {"password_min_length": "17"})
    ticket = re.search(r'name="ticket" value="([^"]+)"', owner.page)
    assert ticket is not None
    admin = await enter_as(acme, "admin")
    await admin.open("/step-up")
    answer = await admin.send("/step-up", {"ticket": ticket[1], "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_sec_session_refresh_08_the_cookie_is_another_after_a_step_up(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "owner")
    await visitor.open("/step-up?next=/audit")
    before = visitor.client.cookies["lv_session"]
    answer = await visitor.send("/step-up", {"password": PASSWORD, "next": "/audit"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/audit")
    assert visitor.client.cookies["lv_session"] != before
    old = await visitor.open("/audit", cookie=f"lv_session={before}")
    assert old.status_code == 303
    for hostile in ("https://evil.example/", "//evil.example", "/\\evil.example"):
        await visitor.open("/step-up")
        answer = await visitor.send("/step-up", {"password": PASSWORD, "next": hostile})
        assert answer.headers["location"] == "/"


async def test_the_policy_is_shown_and_set_by_admins(enter_as: EnterAs, acme: Organisation) -> None:
    visitor = await enter_as(acme, "admin")
    assert (await visitor.open("/settings/security")).status_code == 200
    assert "You come from 127.0.0.1" in visitor.text
    assert "Sessions that began without one end at once, yours too." in visitor.text
    base = {"password_min_length": "16", "password_history": "", "mfa_methods": "totp"}
    bad = await visitor.send("/settings/security", base | {"password_min_length": "3"})
    assert bad.status_code == 400
    assert 'value="3"' in visitor.page
    out = await visitor.send("/settings/security", base | {"allowed_networks": "203.0.113.0/24"})
    assert out.status_code == 409
    assert 'name="force"' in visitor.page
    saved = await visitor.send(
        "/settings/security", base | {"allowed_networks": "127.0.0.0/8\n203.0.113.7"}
    )
    assert saved.status_code == 303, visitor.text
    await visitor.open("/settings/security")
    assert 'value="16"' in visitor.page
    assert "203.0.113.7/32" in visitor.page
    assert (await (await enter_as(acme, "developer")).open("/settings/security")).status_code == 403


async def test_a_sign_in_makes_the_browser_known_to_the_account(
    arrive: Arrive, acme: Organisation
) -> None:
    visitor = await arrive()
    answer = await visitor.sign_in(acme.people["viewer"])
    device = next(
        one for one in answer.headers.get_list("set-cookie") if one.startswith("lv_device=")
    )
    assert "HttpOnly" in device
    assert "samesite=lax" in device.lower()


async def test_an_admin_signs_a_person_out_from_their_page(
    enter_as: EnterAs, acme: Organisation, globex: Organisation
) -> None:
    lost, kept = await enter_as(acme, "viewer"), await enter_as(acme, "viewer")
    visitor = await enter_as(acme, "admin")
    page = f"/settings/users/{acme.people['viewer'].id}"
    await visitor.open(page)
    sessions = re.findall(r'name="session_id" value="([0-9a-f-]+)"', visitor.page)
    assert len(sessions) == 2
    one = await visitor.send(f"{page}/sign-out", {"session_id": sessions[0]})
    assert one.headers["location"] == page
    assert (await lost.open("/account")).status_code == 303
    assert (await kept.open("/account")).status_code == 200
    await visitor.open(page)
    await visitor.send(f"{page}/sign-out")
    assert (await kept.open("/account")).status_code == 303
    foreign = f"/settings/users/{globex.people['owner'].id}/sign-out"
    assert (await visitor.send(foreign)).status_code == 404
    owner = f"/settings/users/{acme.people['owner'].id}/sign-out"
    assert (await visitor.send(owner)).status_code == 403
