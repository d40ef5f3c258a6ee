"""Signing in and out, up and on by invitation."""

import re

import asyncpg
import pytest

from leanvibe_server.identity import service as identity
from leanvibe_server.kernel.access import Role
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.scope import SYSTEM, Scope
from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation
from tests.web.conftest import Arrive, EnterAs


async def test_a_page_asks_to_sign_in_and_leads_back_to_itself(
    arrive: Arrive, acme: Organisation
) -> None:
    visitor = await arrive()
    refused = await visitor.open("/tasks?status=failed")
    assert refused.status_code == 303
    assert refused.headers["location"] == "/login?next=/tasks%3Fstatus%3Dfailed"
    await visitor.open(refused.headers["location"])
    assert 'name="next" value="/tasks?status=failed"' in visitor.page
    answer = await visitor.sign_in(acme.people["owner"], "/tasks?status=failed")
    assert (answer.status_code, answer.headers["location"]) == (303, "/tasks?status=failed")
    assert (await visitor.open("/tasks")).status_code == 200


@pytest.mark.parametrize(
    "hostile",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "///evil.example",
        "javascript:alert(1)",
        "/\tevil",
        "/ok\r\nSet-Cookie: a=b",
        "evil.example",
        "",
    ],
)
async def test_signing_in_leads_to_no_foreign_place(
    arrive: Arrive, acme: Organisation, hostile: str
) -> None:
    visitor = await arrive()
    answer = await visitor.sign_in(acme.people["owner"], hostile)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    await visitor.open("/login?next=https://evil.example/")
    assert 'name="next" value="/"' in visitor.page


async def test_a_wrong_password_keeps_the_address_and_forgets_the_password(
    arrive: Arrive, acme: Organisation
) -> None:
    visitor = await arrive()
    await visitor.open("/login")
    email = acme.people["owner"].email
    answer = await visitor.send("/login", {"email": email, "password": "not the password"})
    assert answer.status_code == 401
    assert f'value="{email}"' in visitor.page
    assert "not the password" not in visitor.page
    assert "The e-mail or the password is wrong." in visitor.text
    assert (await visitor.open("/")).status_code == 303


async def test_each_sign_in_brings_a_new_cookie_that_scripts_cannot_read(
    arrive: Arrive, acme: Organisation
) -> None:
    visitor = await arrive()
    values = []
    for _ in range(2):
        answer = await visitor.sign_in(acme.people["owner"])
        cookies = answer.headers.get_list("set-cookie")
        session = next(one for one in cookies if one.startswith("lv_session="))
        assert "HttpOnly" in session
        assert "samesite=lax" in session.lower()
        assert "Path=/" in session
        values.append(session.partition(";")[0])
    assert values[0] != values[1]


async def test_signing_out_ends_the_session_for_everyone_who_has_the_cookie(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "developer")
    await visitor.open("/")
    cookie = visitor.client.cookies["lv_session"]
    answer = await visitor.send("/logout")
    assert answer.headers["location"] == "/login"
    visitor.client.cookies.set("lv_session", cookie, domain="localhost.local", path="/")
    again = await visitor.client.get("/", headers={"cookie": f"lv_session={cookie}"})
    assert (again.status_code, again.headers["location"]) == (303, "/login")


async def test_who_belongs_to_several_organisations_is_asked_once_and_types_once(
    arrive: Arrive, house: House, acme: Organisation, globex: Organisation, clock: FakeClock
) -> None:
    email = acme.people["developer"].email
    async with house.database.tenant(globex.id) as conn:
        scope = Scope(conn, globex.id, SYSTEM, house.clock, house)
        await identity.create_user(
            scope,
            email=email,
            username="twin",
            password=PASSWORD,
            role=Role.VIEWER,
            verified=True,
        )
    visitor = await arrive()
    await visitor.sign_in(acme.people["developer"], "/projects")
    assert acme.tenant.display_name in visitor.text
    assert globex.tenant.display_name in visitor.text
    assert PASSWORD not in visitor.page
    ticket = re.search(r'name="ticket" value="([^"]+)"', visitor.page)
    assert ticket is not None
    fields = {
        "email": email, "ticket": ticket[1], "tenant_id": str(globex.id), "next": "/projects"
    }  # fmt: skip
    stranger = await arrive()
    await stranger.open("/login")
    assert (await stranger.send("/login", fields)).status_code in (400, 401)
    answer = await visitor.send("/login", fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/projects")
    await visitor.open("/")
    assert globex.tenant.display_name in visitor.text


async def test_one_person_moves_between_organisations_in_a_session_of_its_own(
    enter_as: EnterAs, house: House, acme: Organisation, globex: Organisation, clock: FakeClock
) -> None:
    developer = acme.people["developer"]
    visitor = await enter_as(acme, "developer")
    await visitor.open("/")
    assert 'href="/tenants"' not in visitor.page
    refused = await visitor.send("/tenants", {"tenant_id": str(globex.id)})
    assert refused.status_code == 404
    async with house.database.tenant(acme.id) as conn:
        scope = Scope(conn, acme.id, SYSTEM, house.clock, house)
        person = await identity.require_user(scope, developer.id)
    async with house.database.tenant(globex.id) as conn:
        scope = Scope(conn, globex.id, SYSTEM, house.clock, house)
        await identity.create_user(
            scope,
            email=developer.email,
            username="same",
            password=PASSWORD,
            role=Role.VIEWER,
            verified=True,
            account_id=person.account_id,
        )
    clock.advance(minutes=2)
    await visitor.open("/")
    assert 'href="/tenants"' in visitor.page
    await visitor.open("/tenants")
    before = visitor.client.cookies["lv_session"]
    moved = await visitor.send("/tenants", {"tenant_id": str(globex.id)})
    assert moved.headers["location"] == "/"
    assert visitor.client.cookies["lv_session"] != before
    await visitor.open("/")
    assert "Viewer" in visitor.text
    assert globex.tenant.display_name in visitor.text
    old = await visitor.open("/", cookie=f"lv_session={before}")
    assert old.status_code == 303


async def test_a_ticket_is_good_for_five_minutes(
    arrive: Arrive, house: House, acme: Organisation, globex: Organisation, clock: FakeClock
) -> None:
    email = acme.people["developer"].email
    async with house.database.tenant(globex.id) as conn:
        scope = Scope(conn, globex.id, SYSTEM, house.clock, house)
        await identity.create_user(
            scope, email=email, username="twin", password=PASSWORD, role=Role.VIEWER, verified=True
        )
    visitor = await arrive()
    await visitor.sign_in(acme.people["developer"])
    ticket = re.search(r'name="ticket" value="([^"]+)"', visitor.page)
    assert ticket is not None
    clock.advance(minutes=6)
    fields = {"email": email, "ticket": ticket[1], "tenant_id": str(globex.id)}
    assert (await visitor.send("/login", fields)).status_code == 400


async def test_signing_up_mails_a_link_that_confirms_the_address(
    arrive: Arrive, admin: asyncpg.Connection, house: House
) -> None:
    visitor = await arrive()
    await visitor.open("/signup")
    email = f"new@{house.clock.now():%f}{id(visitor)}.example"
    short = await visitor.send("/signup", {"email": email, "username": "Nora", "password": "short"})
    assert short.status_code == 400
    assert f'value="{email}"' in visitor.page
    assert 'aria-invalid="true"' in visitor.page
    answer = await visitor.send(
        "/signup", {"email": email, "username": "Nora", "password": PASSWORD}
    )
    assert answer.status_code == 200, visitor.text
    assert "Check your mail" in visitor.text
    body = await admin.fetchval("SELECT body FROM outgoing_mail WHERE recipient = $1", email)
    link = re.search(r"/verify-email/\w+", body)
    assert link is not None
    await visitor.open(link[0])
    assert await admin.fetchval("SELECT email_verified_at FROM users WHERE email = $1", email) is (
        None
    )
    confirmed = await visitor.send(link[0])
    assert confirmed.headers["location"] == "/login"
    verified_at = await admin.fetchval(
        "SELECT email_verified_at FROM users WHERE email = $1", email
    )
    assert verified_at == house.clock.now()
    assert (await visitor.send(link[0])).status_code == 404


async def test_an_invited_person_sets_a_password_and_signs_in(
    arrive: Arrive, enter_as: EnterAs, acme: Organisation, admin: asyncpg.Connection
) -> None:
    owner = await enter_as(acme, "owner")
    await owner.open("/settings/users")
    email = f"invited-{acme.id.hex[-8:]}@friends.example"
    answer = await owner.send("/settings/users", {"email": email, "role": "viewer"})
    assert answer.headers["location"] == "/settings/users", owner.text
    await owner.open("/settings/users")
    assert email in owner.text
    assert "The invitation is on its way." in owner.text
    body = await admin.fetchval("SELECT body FROM outgoing_mail WHERE recipient = $1", email)
    link = re.search(r"/invitations/\w+", body)
    assert link is not None
    guest = await arrive()
    await guest.open(link[0])
    assert f"Join {acme.tenant.display_name}" in guest.text
    assert email in guest.text
    weak = await guest.send(link[0], {"username": "Ina", "password": "passwordpassword"})
    assert (weak.status_code, 'value="Ina"' in guest.page) == (400, True)
    done = await guest.send(link[0], {"username": "Ina", "password": PASSWORD})
    assert done.headers["location"] == "/login"
    named = "SELECT username FROM users WHERE email = $1"
    assert await admin.fetchval(named, email) == "Ina"
    for over in (link[0], "/invitations/unknown"):
        assert (await guest.open(over)).status_code == 404
        assert "ask whoever invited you" in guest.text
    await guest.open("/login")
    signed_in = await guest.send("/login", {"email": email, "password": PASSWORD})
    assert signed_in.headers["location"] == "/"
