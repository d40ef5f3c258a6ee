"""The database server of one of three regions is stopped, frozen, and started again."""

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest

from leanvibe_server import wiring
from leanvibe_server.identity import addresses, lookup
from leanvibe_server.identity import service as identity
from leanvibe_server.kernel.access import Role
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.pulse import ANSWERS_WITHIN_S, SILENT_FOR_S, Pulse, RegionUnreachable
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.launch.postgres import EmbeddedPostgres
from leanvibe_server.migrations import migrate
from tests import given
from tests.conftest import FakeClock, Ground
from tests.given import PASSWORD, Organisation, platform_admin, platform_headers
from tests.web.visitors import Visitor

AT_ONCE_S = 1.5


@pytest.fixture(scope="module")
def canberra(ground: Ground) -> Iterator[EmbeddedPostgres]:
    """The server of the region au, a machine of its own."""
    with tempfile.TemporaryDirectory(prefix="lvau-") as folder:
        server = EmbeddedPostgres(Path(folder), durable=False)
        asyncio.run(migrate(server.start(), ground.vault))
        yield server
        server.stop()


@pytest.fixture
async def house(
    atlas: Settings, canberra: EmbeddedPostgres, clock: FakeClock, admin: asyncpg.Connection
) -> AsyncIterator[House]:
    """A process that serves three regions."""
    await admin.execute("TRUNCATE login_failures")
    if canberra.pid is None:
        canberra.start()
    house = await wiring.open_house(replace(atlas, database_url_au=canberra.dsn))
    house.clock = clock
    yield house
    _go_on(canberra)
    await house.database.close()


def _go_on(server: EmbeddedPostgres) -> None:
    """In the main thread: the server ends with the thread that started it."""
    if server.pid is None:
        server.start()
    else:
        _send(server, signal.SIGCONT)


def _send(server: EmbeddedPostgres, number: signal.Signals) -> None:
    """To the server and to every process that serves one of its connections."""
    assert server.pid is not None
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    for pid in (server.pid, *map(int, children)):
        with suppress(ProcessLookupError):
            os.kill(pid, number)


async def _take_down(server: EmbeddedPostgres, how: str) -> None:
    if how == "stopped":
        await asyncio.to_thread(server.stop)
    else:
        await asyncio.to_thread(_send, server, signal.SIGSTOP)


async def _join(org: Organisation, email: str, other: Organisation) -> None:
    """One person with a password in both."""
    accounts = []
    for place in (org, other):
        async with place.house.database.tenant(place.id) as conn:
            scope = Scope(conn, place.id, SYSTEM, place.house.clock, place.house, plan="enterprise")
            accounts.append(
                await identity.create_user(
                    scope, email=email, username="both", password=PASSWORD,
                    role=Role.ADMIN, verified=True,
                )
            )  # fmt: skip
    digest = addresses.directory_hash(org.house.vault, email)
    async with other.house.database.tenant(other.id) as conn:
        scope = Scope(conn, other.id, SYSTEM, other.house.clock, other.house)
        await lookup.join_account(scope, accounts[1], accounts[0].account_id, digest)


async def _within(seconds: float, ask: asyncio.Future[httpx.Response]) -> httpx.Response:
    began = time.monotonic()
    answer = await ask
    assert time.monotonic() - began < seconds, answer.request.url
    return answer


@pytest.mark.parametrize("how", ["stopped", "frozen"])
async def test_every_list_over_regions_answers_soon_names_what_is_missing_and_recovers(
    house: House, client: httpx.AsyncClient, canberra: EmbeddedPostgres, how: str
) -> None:
    boston = await given.organisation(house, plan="enterprise", name="Boston")
    perth = await given.organisation(house, plan="enterprise", name="Perth", region="au")
    both = f"both@{uuid4().hex}.example"
    await _join(boston, both, perth)
    inside = await perth.headers(client)
    platform = await platform_headers(house, client)
    admin = await platform_admin(house)
    glass = platform | {"X-Break-Glass-Reason": "Looking into an outage"}
    visitor = Visitor(client)
    await visitor.sign_in(admin)
    await _take_down(canberra, how)

    lists = (("/v1/tenants", platform), ("/v1/admin/audit", glass), ("/v1/admin/audit/auth", glass))
    # Whoever comes first finds it out, and the others do not wait.
    first = await _within(ANSWERS_WITHIN_S + AT_ONCE_S, _get(client, *lists[0]))
    assert first.json()["unreachable_regions"] == ["au"]
    for path, headers in lists:
        answer = await _within(AT_ONCE_S, _get(client, path, headers))
        assert (answer.status_code, answer.json()["unreachable_regions"]) == (200, ["au"])
    for path in ("/platform/tenants", "/audit?reason=Looking+into+an+outage"):
        await _within(AT_ONCE_S, asyncio.ensure_future(visitor.open(path)))
        assert "AU does not answer now." in visitor.text
    slug = {"q": boston.tenant.slug}
    here = await client.get("/v1/tenants", params=slug, headers=platform)
    assert [one["id"] for one in here.json()["data"]] == [str(boston.id)]

    # Its own people are told to come again, and lose nothing.
    refused = await client.get("/v1/projects", headers=inside)
    assert (refused.status_code, refused.json()["error"]) == (503, "service_unavailable")
    assert int(refused.headers["Retry-After"]) > 0

    # Who is at home in another region too signs in there, and sees what is missing.
    async def sign_in(email: str, password: str) -> httpx.Response:
        body = {"email": email, "password": password}
        return await client.post("/v1/auth/login", json=body)

    let_in = await sign_in(both, PASSWORD)
    assert let_in.status_code == 200, let_in.text
    person = Visitor(client)
    await person.sign_in(given.Person(boston.id, both, "admin"))
    await person.open("/tenants")
    assert "AU does not answer now." in person.text

    # One of that region alone is told what a stranger may be told too.
    alone = await sign_in(perth.people["viewer"].email, PASSWORD)
    strangers = [await sign_in(f"no@{uuid4().hex}.example", PASSWORD) for _ in range(16)]
    assert alone.status_code == 503
    assert {one.status_code for one in strangers} == {401, 503}
    assert alone.json()["message"] in {one.json()["message"] for one in strangers}
    assert "au" not in alone.json()["message"].split()

    _go_on(canberra)
    await asyncio.sleep(SILENT_FOR_S + 0.2)
    back = await client.get("/v1/projects", headers=inside)
    assert back.status_code == 200, back.text
    slug = {"q": perth.tenant.slug}
    whole = (await client.get("/v1/tenants", params=slug, headers=platform)).json()
    assert whole["unreachable_regions"] == []
    assert str(perth.id) in {one["id"] for one in whole["data"]}
    assert (await sign_in(perth.people["viewer"].email, PASSWORD)).status_code == 200


def _get(
    client: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> asyncio.Future[httpx.Response]:
    return asyncio.ensure_future(client.get(path, headers=headers))


def test_one_asks_again_after_a_while_and_whoever_found_all_connections_lent_learned_nothing() -> (
    None
):
    moment = 0.0
    pulse = Pulse(lambda: moment)

    def ask(error: Exception | None = None, *, busy: bool = False) -> None:
        with pulse.felt(lambda: busy):
            if error is not None:
                raise error

    with pytest.raises(TimeoutError):
        ask(TimeoutError(), busy=True)
    ask()
    with pytest.raises(RegionUnreachable):
        ask(ConnectionRefusedError())
    with pytest.raises(RegionUnreachable, match="a moment ago"):
        ask()
    moment += SILENT_FOR_S
    ask()
    ask()
