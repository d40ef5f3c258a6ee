"""SAML against SimpleSAMLphp: a login as a browser makes it, and logouts begun by either side."""

import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from leanvibe_server.identity.saml import logout
from leanvibe_server.identity.visits import scope_in
from leanvibe_server.kernel.clock import SystemClock
from tests.given import Organisation
from tests.identity.saml.documents import new_pair
from tests.identity.saml.provider import Connected, Flow, connect, visit_to
from tests.peers.simplesamlphp import (
    PASSWORD,
    PROGRAM,
    USER,
    SimpleSaml,
    form_on,
    simplesamlphp,
)

if PROGRAM is None:
    warnings.warn("SimpleSAMLphp is not installed: its tests are skipped", stacklevel=1)
pytestmark = pytest.mark.skipif(
    PROGRAM is None,
    reason="NOT TRIED: install Debian's packages simplesamlphp php-cli php-xml php-sqlite3 "
    "php-curl php-mbstring",
)


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    """A browser at the identity provider; cookies are kept, redirects followed."""
    async with httpx.AsyncClient(timeout=60, follow_redirects=True) as client:
        yield client


@pytest.fixture(params=[True, False], ids=["encrypted", "in clear"])
async def joined(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    client: httpx.AsyncClient,
    acme: Organisation,
) -> AsyncIterator[tuple[Connected, SimpleSaml]]:
    """A tenant and a SimpleSAMLphp that know each other by their metadata, at real time."""
    acme.house.clock = SystemClock()
    email = f"jane@{acme.tenant.slug}.example"
    with simplesamlphp(tmp_path, new_pair(), email=email, encrypted=request.param) as idp:
        corp = await connect(
            client, acme, text=await idp.metadata(), settings={"name_id_format": "email"}
        )
        idp.trust((await client.get(f"{corp.base}/metadata")).text)
        yield corp, idp


async def log_in(browser: httpx.AsyncClient, flow: Flow, idp: SimpleSaml) -> dict[str, str]:
    """The person's way through the provider; the form it ends with."""
    page = await browser.get(flow.departure.url)
    assert page.status_code == 200, idp.log
    form = form_on(page)
    if "password" in form.fields:
        fields = form.fields | {"username": USER, "password": PASSWORD}
        page = await browser.post(form.action, data=fields)
        form = form_on(page)
    assert form.action == f"{flow.connected.base}/acs", page.text + idp.log
    assert form.fields["RelayState"] == flow.handle
    return form.fields


async def test_login_and_a_logout_that_the_provider_begins(
    joined: tuple[Connected, SimpleSaml], client: httpx.AsyncClient, browser: httpx.AsyncClient
) -> None:
    corp, idp = joined
    flow = await corp.set_off(web=True, next_path="/projects")
    fields = await log_in(browser, flow, idp)
    answer = await client.post(f"{corp.base}/acs", data=fields, headers=flow.cookies())
    assert (answer.status_code, answer.headers["location"]) == (303, "/projects"), answer.text
    assert (await client.get("/projects", headers={"Accept": "text/html"})).status_code == 200
    leave = f"{idp.url}/saml2/idp/SingleLogoutService.php?ReturnTo={idp.url}/logout.php"
    gone = await client.get(await walk(browser, leave, idp, f"{corp.base}/slo"))
    assert gone.status_code == 303, gone.text
    assert gone.headers["location"].startswith(idp.url)
    finished = await browser.get(gone.headers["location"])
    assert finished.status_code == 200, idp.log
    page = await client.get("/projects", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=/projects")


async def walk(browser: httpx.AsyncClient, url: str, idp: SimpleSaml, until: str) -> str:
    """Follow the provider's redirects to an address of ours."""
    for _ in range(8):
        answer = await browser.get(url, follow_redirects=False)
        url = answer.headers.get("location", "")
        if url.startswith(until):
            return url
    raise AssertionError(answer.text + idp.log)


async def test_login_of_a_program_and_a_logout_that_we_begin(
    joined: tuple[Connected, SimpleSaml], client: httpx.AsyncClient, browser: httpx.AsyncClient
) -> None:
    corp, idp = joined
    fields = await log_in(browser, await corp.set_off(), idp)
    answer = await client.post("/v1/auth/saml/sso", data=fields)
    assert answer.status_code == 200, answer.text
    assert answer.json()["user"]["email"] == corp.email
    me = await client.get(
        "/v1/auth/me", headers={"Authorization": f"Bearer {answer.json()['access_token']}"}
    )
    async with corp.house.database.tenant(corp.tenant.id) as conn:
        scope = scope_in(visit_to(corp.house), conn, corp.tenant.id, plan="enterprise")
        parcel = await logout.begin(scope, UUID(me.json()["session"]["id"]))
    assert parcel is not None
    back = await client.get(await walk(browser, parcel.url, idp, f"{corp.base}/slo"))
    assert (back.status_code, back.headers["location"]) == (303, "/login"), back.text
    page = await browser.get((await corp.set_off()).departure.url)
    assert "password" in form_on(page).fields


async def test_a_stolen_response_is_of_no_use(
    joined: tuple[Connected, SimpleSaml], client: httpx.AsyncClient, browser: httpx.AsyncClient
) -> None:
    corp, idp = joined
    fields = await log_in(browser, await corp.set_off(), idp)
    other = await corp.set_off()
    stolen = fields | {"RelayState": other.handle}
    assert (await client.post("/v1/auth/saml/sso", data=stolen)).status_code == 401
    assert (await client.post("/v1/auth/saml/sso", data=fields)).status_code == 200
    assert (await client.post("/v1/auth/saml/sso", data=fields)).status_code == 401
