"""The second factor in the dashboard, without JavaScript."""

import re
from html import unescape

import asyncpg
import pyotp

from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.given import Organisation
from tests.identity.given_mail import letters_to
from tests.identity.given_sessions import set_policy
from tests.identity.mfa.given_factors import code_mailed_to
from tests.web.conftest import Arrive, EnterAs
from tests.web.visitors import Visitor


def secret_in(visitor: Visitor) -> str:
    found = re.search(r'id="secret">([A-Z2-7]+)<', visitor.page)
    assert found is not None, visitor.text
    return found[1]


def code_of(secret: str, clock: FakeClock) -> str:
    return pyotp.HOTP(secret).at(int(clock.now().timestamp()) // 30)


async def set_up(visitor: Visitor, clock: FakeClock) -> tuple[str, list[str]]:
    """Set up an app on the account page; its key, and the backup codes."""
    await visitor.open("/account/mfa")
    await visitor.send("/account/mfa/setup", {"method": "totp"})
    secret = secret_in(visitor)
    codes = re.findall(r"\b[0-9]{8}\b", unescape(visitor.page))
    done = await visitor.send(
        "/account/mfa/verify", {"method": "totp", "code": code_of(secret, clock)}
    )
    assert done.headers["location"] == "/account/mfa", visitor.text
    clock.advance(seconds=60)
    return secret, list(dict.fromkeys(codes))


async def test_a_sign_in_leads_over_the_second_factor_to_where_it_was_going(
    enter_as: EnterAs, arrive: Arrive, acme: Organisation, clock: FakeClock
) -> None:
    secret, codes = await set_up(await enter_as(acme, "owner"), clock)
    assert len(codes) == 8
    visitor = await arrive()
    asked = await visitor.sign_in(acme.people["owner"], next_path="/tasks")
    assert (asked.status_code, asked.headers["location"]) == (303, "/login/second-factor")
    assert "lv_session" not in visitor.client.cookies
    await visitor.open("/login/second-factor")
    assert "Confirm that it is you" in visitor.text
    wrong = await visitor.send("/login/second-factor", {"method": "totp", "code": "000000"})
    assert wrong.status_code == 401
    assert "The code is wrong" in visitor.text
    right = await visitor.send(
        "/login/second-factor", {"method": "totp", "code": code_of(secret, clock)}
    )
    assert (right.status_code, right.headers["location"]) == (303, "/tasks")
    assert (await visitor.open("/tasks")).status_code == 200
    other = await arrive()
    await other.sign_in(acme.people["owner"])
    await other.open("/login/second-factor?method=backup_code")
    by_code = await other.send("/login/second-factor", {"method": "backup_code", "code": codes[0]})
    assert by_code.headers["location"] == "/"


async def test_the_waiting_sign_in_is_of_one_browser(
    enter_as: EnterAs, arrive: Arrive, acme: Organisation, clock: FakeClock
) -> None:
    await set_up(await enter_as(acme, "owner"), clock)
    victim, thief = await arrive(), await arrive()
    await victim.sign_in(acme.people["owner"])
    await thief.open("/login")
    stolen = victim.client.cookies["lv_second_factor"]
    thief.client.cookies.set("lv_second_factor", stolen)
    answer = await thief.open("/login/second-factor")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?")


async def test_who_must_have_a_factor_sets_one_up_on_the_way_in(
    arrive: Arrive, house: House, acme: Organisation, clock: FakeClock
) -> None:
    await set_policy(house, acme, mfa_required=True)
    visitor = await arrive()
    await visitor.sign_in(acme.people["developer"])
    await visitor.open("/login/second-factor")
    assert "Set up a second factor" in visitor.text
    await visitor.send("/login/second-factor/setup", {"method": "totp"})
    secret = secret_in(visitor)
    assert "data:image/png;base64," in visitor.page
    wrong = await visitor.send("/login/second-factor/verify", {"method": "totp", "code": "000000"})
    assert wrong.status_code == 401
    done = await visitor.send("/login/second-factor/verify", {"code": code_of(secret, clock)})
    assert done.headers["location"] == "/"
    assert (await visitor.open("/")).status_code == 200


async def test_factors_are_removed_and_codes_made_on_the_account_page(
    enter_as: EnterAs, acme: Organisation, clock: FakeClock
) -> None:
    visitor = await enter_as(acme, "owner")
    await set_up(visitor, clock)
    await visitor.open("/account/mfa")
    assert "You have 8 left" in visitor.text
    await visitor.send("/account/mfa/backup-codes")
    assert len(set(re.findall(r"\b[0-9]{8}\b", visitor.text))) == 8
    await visitor.open("/account/mfa")
    found = re.search(r"/account/mfa/([0-9a-f-]{36})/remove", visitor.page)
    assert found is not None
    await visitor.send(found[0])
    await visitor.open("/account/mfa")
    assert "the password alone lets you in" in visitor.text


async def test_an_administrator_resets_another_s_factors(
    enter_as: EnterAs, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    await set_up(await enter_as(acme, "developer"), clock)
    visitor = await enter_as(acme, "owner")
    path = f"/settings/users/{acme.people['developer'].id}"
    await visitor.open(path)
    answer = await visitor.send(f"{path}/mfa-reset")
    assert answer.headers["location"] == path
    left = await admin.fetchval("SELECT count(*) FROM mfa_factors WHERE tenant_id = $1", acme.id)
    assert left == 0


async def test_a_sensitive_form_asks_for_the_factor_one_has_and_goes_on(
    enter_as: EnterAs, acme: Organisation, clock: FakeClock
) -> None:
    visitor = await enter_as(acme, "owner")
    secret, _ = await set_up(visitor, clock)
    await visitor.open("/account/mfa")
    clock.advance(minutes=11)
    asked = await visitor.send("/account/mfa/setup", {"method": "email"})
    assert asked.status_code == 403
    assert 'name="password"' not in visitor.page
    assert "Code of your authenticator app" in visitor.text
    ticket = re.search(r'name="ticket" value="([^"]+)"', visitor.page)
    assert ticket is not None
    kept = {"ticket": ticket[1], "method": "totp"}
    wrong = await visitor.send("/step-up", {**kept, "mfa_code": "000000"})
    assert wrong.status_code == 403
    await visitor.send("/step-up", {**kept, "method": "backup_code", "do": "ask"})
    assert "Backup code" in visitor.text
    assert ticket[1] in visitor.page
    right = await visitor.send("/step-up", {**kept, "mfa_code": code_of(secret, clock)})
    assert right.status_code == 200, visitor.text
    assert 'action="/account/mfa/setup"' in visitor.page


async def test_a_step_up_sends_a_code_where_that_is_the_factor(
    enter_as: EnterAs, acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    visitor = await enter_as(acme, "owner")
    address = acme.people["owner"].email
    await visitor.open("/account/mfa")
    await visitor.send("/account/mfa/setup", {"method": "email"})
    code = await code_mailed_to(admin, address)
    await visitor.send("/account/mfa/verify", {"method": "email", "code": code})
    await visitor.open("/step-up?next=/audit")
    assert "Send me a code" in visitor.text
    await visitor.send("/step-up", {"method": "email", "do": "ask", "next": "/audit"})
    assert "A code is on its way" in visitor.text
    fresh = await code_mailed_to(admin, address)
    right = await visitor.send("/step-up", {"method": "email", "mfa_code": fresh, "next": "/audit"})
    assert (right.status_code, right.headers["location"]) == (303, "/audit")


async def test_on_the_way_in_only_what_the_organisation_allows_is_offered(
    arrive: Arrive, house: House, acme: Organisation, admin: asyncpg.Connection
) -> None:
    await set_policy(house, acme, mfa_required=True, mfa_methods=["email", "webauthn"])
    visitor = await arrive()
    person = acme.people["developer"]
    await visitor.sign_in(person)
    await visitor.open("/login/second-factor")
    assert "Authenticator app" not in visitor.text
    refused = await visitor.send("/login/second-factor/setup", {"method": "totp"})
    assert refused.status_code == 403
    key = await visitor.send("/login/second-factor/setup", {"method": "webauthn"})
    assert (key.status_code, 'data-webauthn="create"' in visitor.page) == (200, True)
    none = await visitor.send("/login/second-factor/verify", {"method": "webauthn"})
    assert none.status_code == 400
    await visitor.send("/login/second-factor/setup", {"method": "email"})
    letters = [text for subject, text in await letters_to(admin, person.email)]
    code = re.findall(r"\b[0-9]{6}\b", letters[-1])[0]
    done = await visitor.send("/login/second-factor/verify", {"method": "email", "code": code})
    assert done.headers["location"] == "/", visitor.text


async def test_an_app_is_renamed_where_it_is_shown(
    enter_as: EnterAs, acme: Organisation, clock: FakeClock
) -> None:
    visitor = await enter_as(acme, "developer")
    await set_up(visitor, clock)
    await visitor.open("/account/mfa")
    found = re.search(r"/account/mfa/[0-9a-f-]{36}/rename", visitor.page)
    assert found is not None
    assert (await visitor.send(found[0], {"name": " "})).status_code == 400
    done = await visitor.send(found[0], {"name": "App on my telephone"})
    assert done.headers["location"] == "/account/mfa", visitor.text
    await visitor.open("/account/mfa")
    assert "App on my telephone" in visitor.text
    assert "The second factor has its new name." in visitor.text
