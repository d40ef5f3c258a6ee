"""Sign-in against a real OpenID Connect provider: npm's oidc-provider, on a socket of its own."""

import asyncio
import json
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

import asyncpg
import httpx
import pytest

from leanvibe_server.identity.oidc.logout import logout_uri
from leanvibe_server.identity.oidc.protocol import CALLBACK_PATH, callback_of
from leanvibe_server.kernel.clock import SystemClock
from leanvibe_server.kernel.house import House
from tests.given import Organisation
from tests.identity.given_providers import add_provider
from tests.web.browsing import Site

ROOT = Path(__file__).parents[2]
MODULES = ROOT / ".tools" / "oidc-provider"
SERVER = Path(__file__).parent / "oidc_provider" / "server.js"
SECRET = "a secret that only the two of us know"

INSTALLED = (
    shutil.which("node") is not None and (MODULES / "node_modules" / "oidc-provider").is_dir()
)
pytestmark = pytest.mark.skipif(
    not INSTALLED,
    reason="PEER MISSING: npm's oidc-provider is not installed; run scripts/oidc-peer.sh",
)


@dataclass
class Peer:
    """The provider's process, and the product that knows it."""

    issuer: str
    product: httpx.AsyncClient
    organisation: Organisation
    browser: httpx.AsyncClient

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Tenant-Slug": self.organisation.tenant.slug}

    async def authorize(self, slug: str) -> dict[str, str]:
        """Let a browser go from the product to the provider and back; what it brings."""
        begun = await self.product.get(f"/v1/auth/sso/{slug}", headers=self.headers)
        assert begun.status_code == 200, begun.text
        return await self.go(begun.json()["redirect_url"])

    async def go(self, url: str) -> dict[str, str]:
        """Follow the provider's redirects until it sends the browser back; what it brings."""
        for _ in range(10):
            answer = await self.browser.get(url)
            url = urljoin(url, answer.headers["location"])
            if urlsplit(url).path.startswith(CALLBACK_PATH):
                return dict(parse_qsl(urlsplit(url).query))
        raise AssertionError("the provider does not send the browser back")

    async def sign_in(self, slug: str) -> httpx.Response:
        back = await self.authorize(slug)
        return await self.product.post(
            "/v1/auth/login",
            json={
                "email": "ada@peer.example",
                "provider": slug,
                "auth_code": back["code"],
                "state": back["state"],
                "iss": back["iss"],
            },
        )


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@asynccontextmanager
async def running(port: int, backchannel: str, *, callback: str) -> AsyncIterator[None]:
    """The provider's process, for as long as the block lasts."""
    process = await start(port, backchannel, callback=callback)
    try:
        yield
    finally:
        stop(process)


def stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait(10)
    if process.stdout is not None:
        process.stdout.close()


async def start(port: int, backchannel: str, *, callback: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        ["node", str(SERVER), str(port), str(MODULES), callback, backchannel],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), 30)
    assert json.loads(line) == {"port": str(port)}
    return process


@pytest.fixture
async def peer(house: House, client: httpx.AsyncClient, acme: Organisation) -> AsyncIterator[Peer]:
    """The provider, the product and a browser. The clock is the machine's, as the provider's is."""
    house.clock = SystemClock()
    port = free_port()
    issuer = f"http://localhost:{port}"
    async with RelayedLogout(client) as relay:
        callback = callback_of(house, acme.id, "oidc")
        async with running(port, relay.url, callback=callback), httpx.AsyncClient() as browser:
            yield Peer(issuer, client, acme, browser)


class RelayedLogout:
    """A socket that hands the provider's logout tokens to the product, which is in this process."""

    def __init__(self, product: httpx.AsyncClient) -> None:
        self.product = product
        self.path = ""
        self.answers: list[int] = []

    async def __aenter__(self) -> "RelayedLogout":
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/logout"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await self.server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        assert length is not None, head
        body = await reader.readexactly(int(length[1]))
        answer = await self.product.post(
            self.path,
            content=body,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        self.answers.append(answer.status_code)
        line = f"HTTP/1.1 {answer.status_code} OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        writer.write(line.encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()


async def add_peer(peer: Peer, **settings: object) -> tuple[str, str]:
    """Add the provider as an admin does; its slug and id."""
    added = await peer.product.post(
        "/v1/auth/sso/providers",
        json={
            "provider_type": "oidc",
            "provider_name": "Peer",
            "client_id": "leanvibe",
            "client_secret": SECRET,
            "issuer": peer.issuer,
            "settings": {"scopes": ["openid", "email", "profile", "groups"], **settings},
            "default_role": "viewer",
            "role_mapping": [{"claim": "groups", "value": "leads", "role": "manager"}],
        },
        headers=await peer.organisation.headers(peer.product),
    )
    assert added.status_code == 201, added.text
    return added.json()["slug"], added.json()["id"]


async def test_somebody_signs_in_with_pkce_and_gets_the_role_of_their_group(peer: Peer) -> None:
    slug, provider_id = await add_peer(peer)
    tested = await peer.product.post(
        f"/v1/auth/sso/providers/{provider_id}/test",
        headers=await peer.organisation.headers(peer.product),
    )
    assert tested.json()["success"], tested.text
    answer = await peer.sign_in(slug)
    assert answer.status_code == 200, answer.text
    assert answer.json()["user"]["email"] == "ada@peer.example"
    assert answer.json()["user"]["role"] == "manager"
    again = await peer.sign_in(slug)
    assert again.json()["user"]["id"] == answer.json()["user"]["id"]


async def test_somebody_proves_themselves_anew_at_the_provider(peer: Peer) -> None:
    slug, _ = await add_peer(peer)
    held = (await peer.sign_in(slug)).json()
    bearer = {"Authorization": f"Bearer {held['access_token']}"}
    begun = await peer.product.post(f"/v1/auth/sso/{slug}/step-up", headers=bearer)
    assert begun.status_code == 200, begun.text
    back = await peer.go(begun.json()["redirect_url"])
    proved = await peer.product.post(
        "/v1/auth/sso/step-up",
        json={"auth_code": back["code"], "state": back["state"], "iss": back["iss"]},
        headers=bearer,
    )
    assert proved.status_code == 200, proved.text
    assert proved.json()["access_token"] != held["access_token"]
    assert (await peer.product.get("/v1/auth/me", headers=bearer)).status_code == 401


async def test_without_being_asked_again_the_provider_proves_nothing(peer: Peer) -> None:
    slug, _ = await add_peer(peer)
    held = (await peer.sign_in(slug)).json()
    bearer = {"Authorization": f"Bearer {held['access_token']}"}
    begun = await peer.product.post(f"/v1/auth/sso/{slug}/step-up", headers=bearer)
    parts = urlsplit(begun.json()["redirect_url"])
    left_out = [pair for pair in parse_qsl(parts.query) if pair[0] not in ("prompt", "max_age")]
    back = await peer.go(parts._replace(query=urlencode(left_out)).geturl())
    refused = await peer.product.post(
        "/v1/auth/sso/step-up",
        json={"auth_code": back["code"], "state": back["state"], "iss": back["iss"]},
        headers=bearer,
    )
    assert refused.json()["details"]["reason"] == "not_proved_anew", refused.text


async def test_a_code_is_good_once_and_an_injected_one_is_not(peer: Peer) -> None:
    slug, _ = await add_peer(peer)
    first, second = await peer.authorize(slug), await peer.authorize(slug)
    crossed = {"email": "x@y.example", "provider": slug, "iss": peer.issuer}
    injected = await peer.product.post(
        "/v1/auth/login", json=crossed | {"auth_code": first["code"], "state": second["state"]}
    )
    assert injected.status_code == 400


async def test_new_keys_of_the_provider_are_found(peer: Peer) -> None:
    slug, _ = await add_peer(peer)
    assert (await peer.sign_in(slug)).status_code == 200
    await peer.browser.get(f"{peer.issuer}/control/rotate")
    peer.browser.cookies.clear()
    too_early = await peer.sign_in(slug)
    assert too_early.status_code == 400

    class Later(SystemClock):
        def now(self) -> datetime:
            return datetime.fromtimestamp(super().now().timestamp() + 35, UTC)

    peer.organisation.house.clock = Later()
    answer = await peer.sign_in(slug)
    assert answer.status_code == 200, answer.text


async def test_a_provider_that_is_turned_off_on_the_way_lets_nobody_in(peer: Peer) -> None:
    slug, provider_id = await add_peer(peer)
    back = await peer.authorize(slug)
    headers = await peer.organisation.headers(peer.product)
    off = await peer.product.post(f"/v1/auth/sso/providers/{provider_id}/disable", headers=headers)
    assert off.status_code == 200
    answer = await peer.product.post(
        "/v1/auth/login",
        json={
            "email": "ada@peer.example",
            "provider": slug,
            "auth_code": back["code"],
            "state": back["state"],
            "iss": back["iss"],
        },
    )
    assert (answer.status_code, answer.json()["details"]["reason"]) == (400, "provider_disabled")


async def test_a_logout_at_the_provider_ends_the_session_here(
    house: House, client: httpx.AsyncClient, acme: Organisation, admin: asyncpg.Connection
) -> None:
    house.clock = SystemClock()
    port = free_port()
    provider = await add_provider(
        house,
        acme,
        issuer=f"http://localhost:{port}",
        client_id="leanvibe",
        client_secret=SECRET,
    )
    async with RelayedLogout(client) as relay, httpx.AsyncClient() as browser:
        relay.path = logout_uri(house, provider).removeprefix("http://localhost:8765")
        callback = callback_of(house, acme.id, provider.slug)
        async with running(port, relay.url, callback=callback):
            peer = Peer(provider.issuer, client, acme, browser)
            signed_in = await peer.sign_in(provider.slug)
            assert signed_in.status_code == 200, signed_in.text
            bearer = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
            assert (await client.get("/v1/auth/me", headers=bearer)).status_code == 200
            await log_out_at(peer)
            assert relay.answers == [200]
            assert (await client.get("/v1/auth/me", headers=bearer)).status_code == 401


async def log_out_at(peer: Peer) -> None:
    """Sign out on the provider's own page."""
    page = await peer.browser.get(f"{peer.issuer}/session/end")
    secret = re.search(r'name="xsrf" value="([^"]+)"', page.text)
    assert secret is not None, page.text
    done = await peer.browser.post(
        f"{peer.issuer}/session/end/confirm", data={"xsrf": secret[1], "logout": "yes"}
    )
    assert done.status_code in (302, 303), done.text


async def test_we_prove_ourselves_by_keys_that_the_provider_reads_at_our_address(
    site: Site,
) -> None:
    port = free_port()
    callback = callback_of(site.acme.house, site.acme.id, "oidc")
    async with (
        running(port, f"{site.url}/nowhere", callback=callback),
        httpx.AsyncClient(base_url=site.url, timeout=30) as product,
        httpx.AsyncClient() as browser,
    ):
        peer = Peer(f"http://localhost:{port}", product, site.acme, browser)
        slug, provider_id = await add_peer(peer, token_endpoint_auth_method="private_key_jwt")
        keys = f"/v1/auth/sso/providers/{provider_id}/keys"
        headers = await site.acme.headers(product)
        following = (await product.post(keys, headers=headers)).json()
        address = (await product.get(keys, headers=headers)).json()["jwks_uri"]
        assert address.startswith(f"{site.url}/")
        assert (await peer.sign_in(slug)).status_code == 400
        known = await browser.get(f"{peer.issuer}/control/keys?{quote(address, safe='')}")
        assert known.text == f"keys are at {address}"
        for _ in range(2):
            signed_in = await peer.sign_in(slug)
            assert signed_in.status_code == 200, signed_in.text
        activated = await product.post(f"{keys}/{following['id']}/activate", headers=headers)
        assert activated.json()["status"] == "current", activated.text
        assert (await peer.sign_in(slug)).status_code == 200
