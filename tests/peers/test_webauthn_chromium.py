"""Keys and passkeys in Chromium, with its virtual authenticator, through the dashboard itself."""

import os

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Page

from tests.given import Person
from tests.peers.chromium import PROGRAM, shoot, sign_out
from tests.web.browsing import Site

pytestmark = pytest.mark.skipif(
    PROGRAM is None and "CI" not in os.environ,
    reason="NOT TRIED: install Debian's package chromium",
)


def plug_in(context: BrowserContext, page: Page, *, transport: str) -> tuple[CDPSession, str]:
    """Give the browser an authenticator: `internal` keeps passkeys, `usb` is a plain key."""
    devtools = context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    internal = transport == "internal"
    made = devtools.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": transport,
                "hasResidentKey": internal,
                "hasUserVerification": internal,
                "isUserVerified": internal,
                "automaticPresenceSimulation": True,
            }
        },
    )
    return devtools, made["authenticatorId"]


def sign_in(page: Page, site: Site, person: Person) -> None:
    page.goto(f"{site.url}/login")
    page.fill("#email", person.email)
    page.fill("#password", person.password)
    page.click("main form[action='/login'] button.primary")


def register(page: Page, site: Site, name: str) -> None:
    page.goto(f"{site.url}/account/mfa")
    shoot(page, "mfa")
    form = page.locator("form", has=page.locator("input[value=webauthn]"))
    form.locator("input[name=name]").fill(name)
    form.locator("button").click()
    shoot(page, "register")
    page.click("[data-webauthn] button")
    page.wait_for_url(f"{site.url}/account/mfa")
    assert name in page.inner_text("main")


def test_a_passkey_is_registered_confirms_a_sign_in_and_signs_in_alone(
    site: Site, context: BrowserContext
) -> None:
    page = context.new_page()
    devtools, device = plug_in(context, page, transport="internal")
    sign_in(page, site, site.acme.people["owner"])
    page.wait_for_url(f"{site.url}/")
    register(page, site, "This laptop")
    [kept] = devtools.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"]
    assert (kept["rpId"], kept["isResidentCredential"]) == ("localhost", True)
    sign_out(page)
    sign_in(page, site, site.acme.people["owner"])
    page.wait_for_url(f"{site.url}/login/second-factor")
    shoot(page, "second-factor")
    page.click("main button.primary")
    page.wait_for_url(f"{site.url}/")
    sign_out(page)
    shoot(page, "login")
    page.click("form[action='/login/passkey'] button")
    page.wait_for_url(f"{site.url}/")
    assert "Overview" in page.inner_text("main h1, nav")


def test_a_plain_key_confirms_a_sign_in_but_is_no_passkey(
    site: Site, context: BrowserContext
) -> None:
    page = context.new_page()
    plug_in(context, page, transport="usb")
    sign_in(page, site, site.acme.people["admin"])
    page.wait_for_url(f"{site.url}/")
    register(page, site, "Key ring")
    sign_out(page)
    sign_in(page, site, site.acme.people["admin"])
    page.wait_for_url(f"{site.url}/login/second-factor")
    page.click("main button.primary")
    page.wait_for_url(f"{site.url}/")


def test_a_key_of_somebody_else_confirms_nothing(site: Site, context: BrowserContext) -> None:
    page = context.new_page()
    devtools, device = plug_in(context, page, transport="usb")
    sign_in(page, site, site.acme.people["manager"])
    page.wait_for_url(f"{site.url}/")
    register(page, site, "Mine")
    sign_out(page)
    devtools.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": device})
    plug_in(context, page, transport="usb")
    sign_in(page, site, site.acme.people["manager"])
    page.wait_for_url(f"{site.url}/login/second-factor")
    page.click("main button.primary")
    page.wait_for_selector("[data-webauthn-fault]:not([hidden])")
    assert page.url == f"{site.url}/login/second-factor"
