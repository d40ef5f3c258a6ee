"""Chromium on this machine, and what a person does in it whichever way they come in."""

import os
import re
import shutil
from pathlib import Path

import pyotp
from playwright.sync_api import Page

PROGRAM = next(
    (path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None
)
SHOTS = os.environ.get("SCREENSHOTS")


def sign_out(page: Page) -> None:
    page.click(".account summary")
    page.click(".account form[action='/logout'] button")
    page.wait_for_url("**/login")


def set_up_an_app(page: Page) -> None:
    """Set up the second factor that is asked for, and answer by it."""
    page.click("button:has-text('Authenticator app')")
    secret = re.search(r"[A-Z2-7]{32}", page.inner_text("main").replace(" ", ""))
    assert secret is not None
    page.fill("[name=code]", pyotp.TOTP(secret[0]).now())
    page.press("[name=code]", "Enter")


def shoot(page: Page, name: str) -> None:
    """A picture of the page, for whoever wants to look at it."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)
