"""OpenID Connect in Chromium against npm's oidc-provider: in, proved anew, out on both sides, and
in again with a second factor."""

import os
import subprocess
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page

from leanvibe_server.identity.oidc.protocol import callback_of
from tests.identity.given_sessions import set_policy
from tests.peers import chromium
from tests.peers import test_oidc_provider as peers
from tests.peers.chromium import set_up_an_app, shoot
from tests.web.browsing import Site

pytestmark = pytest.mark.skipif(
    (not peers.INSTALLED or chromium.PROGRAM is None) and "CI" not in os.environ,
    reason="PEER MISSING: install Debian's chromium and run scripts/oidc-peer.sh",
)


@pytest.fixture(scope="module")
def issuer(site: Site) -> Iterator[str]:
    """The provider, known to the organisation of the site."""
    port = peers.free_port()
    found = f"http://localhost:{port}"
    process = site.do(begin(site, port))
    try:
        site.do(join(site, found))
        yield found
    finally:
        peers.stop(process)


async def begin(site: Site, port: int) -> "subprocess.Popen[str]":
    callback = callback_of(site.acme.house, site.acme.id, "oidc")
    return await peers.start(port, f"{site.url}/nowhere", callback=callback)


async def join(site: Site, issuer: str) -> None:
    async with httpx.AsyncClient(base_url=site.url, timeout=30) as client:
        added = await client.post(
            "/v1/auth/sso/providers",
            json={
                "provider_type": "oidc",
                "provider_name": "Peer",
                "client_id": "leanvibe",
                "client_secret": peers.SECRET,
                "issuer": issuer,
                "default_role": "admin",
            },
            headers=await site.acme.headers(client),
        )
    assert added.status_code == 201, added.text


def come(page: Page, site: Site, *, ends_at: str) -> None:
    """From the page that asks for the organisation to the provider and back."""
    page.goto(f"{site.url}/login/sso?next=/tasks")
    page.fill("[name=organisation]", site.acme.tenant.slug)
    page.click("button:has-text('Continue')")
    page.click("a:has-text('Continue with Peer')")
    page.wait_for_url(f"{site.url}{ends_at}")


def test_a_refused_sign_in_says_what_to_do(
    site: Site,
    context: BrowserContext,
    issuer: str,
) -> None:
    page = context.new_page()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    come(page, site, ends_at="/tasks")
    used = next(url for url in sent if url.startswith(f"{site.url}/auth/sso/callback"))
    page.goto(used)
    assert "You were not signed in" in page.inner_text("main")
    shoot(page, "sign-in-refused")
    page.click("a:has-text('Sign in')")
    assert page.url.startswith(f"{site.url}/")


def test_a_browser_comes_in_proves_itself_anew_and_leaves_on_both_sides(
    site: Site,
    context: BrowserContext,
    issuer: str,
) -> None:
    page = context.new_page()
    come(page, site, ends_at="/tasks")
    page.goto(f"{site.url}/step-up?next=/settings/sso")
    shoot(page, "prove-anew-at-the-provider")
    page.click("button:has-text('Continue with Peer')")
    page.wait_for_url(f"{site.url}/settings/sso")
    page.eval_on_selector("form[action='/logout']", "form => form.submit()")
    page.wait_for_url(f"{site.url}/signed-out?**")
    shoot(page, "signed-out-here")
    page.click("a:has-text('Sign out at Peer')")
    page.wait_for_url(f"{issuer}/session/end?**")
    page.click("button[name=logout]")
    page.wait_for_url(f"{site.url}/signed-out")
    page.goto(f"{site.url}/tasks")
    assert page.url == f"{site.url}/login?next=/tasks"
    site.do(set_policy(site.acme.house, site.acme, mfa_required=True))
    come(page, site, ends_at="/login/second-factor")
    set_up_an_app(page)
    page.wait_for_url(f"{site.url}/tasks")
