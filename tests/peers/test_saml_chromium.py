"""SAML in Chromium, across two sites: SimpleSAMLphp signs people in, proves them anew for a form
that was stopped, and either side signs out."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page

from leanvibe_server.kernel.ids import new_id
from tests.identity.given_sessions import set_policy
from tests.identity.saml.documents import new_pair
from tests.identity.saml.provider import Connected, connect
from tests.peers import chromium
from tests.peers.chromium import set_up_an_app, shoot, sign_out
from tests.peers.simplesamlphp import PASSWORD, PROGRAM, USER, SimpleSaml, simplesamlphp
from tests.web.browsing import Site

pytestmark = pytest.mark.skipif(
    (PROGRAM is None or chromium.PROGRAM is None) and "CI" not in os.environ,
    reason="NOT TRIED: install Debian's packages chromium, simplesamlphp, php-cli, php-xml, "
    "php-sqlite3, php-curl, php-mbstring",
)


@pytest.fixture(params=["HTTP-Redirect", "HTTP-POST"])
def idp(request: pytest.FixtureRequest, tmp_path: Path, site: Site) -> Iterator[SimpleSaml]:
    """An identity provider at another site than ours that takes messages by one binding only."""
    # Somebody new each time: another provider's word opens no account that is there already.
    email = f"{tmp_path.name}@{site.acme.tenant.slug}.example".lower()
    with simplesamlphp(tmp_path, new_pair(), email=email, encrypted=True) as found:
        corp = site.do(join(site, found, request.param))
        yield found
        site.do(part(site, corp))


async def join(site: Site, idp: SimpleSaml, binding: str) -> Connected:
    text = (await idp.metadata()).replace("bindings:HTTP-Redirect", f"bindings:{binding}")
    async with httpx.AsyncClient(base_url=site.url, timeout=30) as client:
        settings = {"name_id_format": "email"}
        corp = await connect(client, site.acme, text=text, settings=settings, default_role="admin")
        slug = site.acme.tenant.slug
        idp.trust((await client.get(f"/v1/auth/saml/{slug}/metadata")).text)
    return corp


async def part(site: Site, corp: Connected) -> None:
    await set_policy(site.acme.house, site.acme, mfa_required=False)
    async with httpx.AsyncClient(base_url=site.url, timeout=30) as client:
        path = f"/v1/auth/sso/providers/{corp.provider_id}"
        headers = await site.acme.headers(client)
        assert (await client.delete(path, headers=headers)).status_code == 204


def come(page: Page, site: Site, next_path: str, *, ends_at: str) -> None:
    """Sign in at the provider, which asks for the password, and come back."""
    page.goto(f"{site.url}/auth/sso/start/saml?tenant={site.acme.tenant.slug}&next={next_path}")
    give_password(page)
    page.wait_for_url(f"{site.url}{ends_at}")


def give_password(page: Page) -> None:
    """Answer the provider, which asks for the password."""
    page.fill("[name=username]", USER)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")


async def grow_old(site: Site) -> None:
    """Everybody of the organisation proved who they are an hour ago."""
    async with site.acme.house.database.tenant(site.acme.id) as conn:
        await conn.execute(
            "UPDATE sessions SET authenticated_at = authenticated_at - interval '1 hour' "
            "WHERE tenant_id = $1",
            site.acme.id,
        )


def test_a_browser_comes_in_leaves_on_either_side_and_gives_a_second_factor(
    site: Site,
    context: BrowserContext,
    idp: SimpleSaml,
) -> None:
    page = context.new_page()
    come(page, site, "/tasks", ends_at="/tasks")
    sign_out(page)
    come(page, site, "/projects", ends_at="/projects")
    page.goto(f"{idp.url}/saml2/idp/SingleLogoutService.php?ReturnTo={idp.url}/logout.php")
    page.wait_for_url(f"{idp.url}/logout.php")
    page.goto(f"{site.url}/projects")
    assert page.url == f"{site.url}/login?next=/projects"
    # The cookie of the ended session is still there, and stays away while the provider's page
    # sends its form to us.
    site.do(set_policy(site.acme.house, site.acme, mfa_required=True))
    come(page, site, "/tasks", ends_at="/login/second-factor")
    set_up_an_app(page)
    page.wait_for_url(f"{site.url}/tasks")
    shoot(page, "after-the-second-factor")


def test_a_form_that_was_stopped_goes_on_after_the_provider(
    site: Site,
    context: BrowserContext,
    idp: SimpleSaml,
) -> None:
    page = context.new_page()
    come(page, site, "/settings/sso", ends_at="/settings/sso")
    typed = f"{new_id(site.acme.house.clock.now()).hex[-10:]}.example.org"
    page.fill("[name=domain]", typed)
    site.do(grow_old(site))
    page.press("[name=domain]", "Enter")
    page.wait_for_selector("text=Confirm that it is you")
    shoot(page, "prove-anew-by-saml")
    page.click("button:has-text('Continue with Corp')")
    # Its session is open still, and the provider asks nevertheless.
    give_password(page)
    # What was typed is sent once more by itself.
    page.wait_for_selector(f"main :text('{typed}')")
    shoot(page, "went-on-after-saml")
