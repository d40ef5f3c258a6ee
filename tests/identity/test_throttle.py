"""Failed sign-ins: slowed down for account, address and organisation, shared by all processes,
and never so that strangers shut an owner out."""

import asyncio
import time
from typing import Any

import asyncpg
import httpx
import pytest

from leanvibe_server import wiring
from leanvibe_server.identity.devices import KNOWN_FOR, known_device, new_device_token
from leanvibe_server.identity.passwords import desk_of
from leanvibe_server.identity.throttle import ADDRESS, ORGANISATION
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.request import network_of
from leanvibe_server.wiring import Doors
from tests.conftest import FakeClock
from tests.given import PASSWORD, Organisation
from tests.identity.given_people import add_person
from tests.identity.given_sessions import bearer, coming_from, sign_in


async def login(
    client: httpx.AsyncClient, email: str, password: str = "a wrong password", **more: Any
) -> httpx.Response:
    return await client.post("/v1/auth/login", json={"email": email, "password": password, **more})


async def fail_from_everywhere(doors: Doors, email: str, times: int) -> None:
    """Somebody who fails on purpose, each time from another address."""
    for number in range(times):
        async with coming_from(doors, f"198.51.100.{number % 250}") as stranger:
            await login(stranger, email)


async def test_sec_password_account_03_one_account_from_many_addresses_is_slowed_down_not_locked(
    client: httpx.AsyncClient, doors: Doors, acme: Organisation, clock: FakeClock
) -> None:
    email = acme.people["owner"].email
    await fail_from_everywhere(doors, email, 6)
    refused = await login(client, email, PASSWORD)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 15 * 60
    clock.advance(minutes=15, seconds=1)
    assert (await login(client, email, PASSWORD)).status_code == 200


async def test_sec_password_account_03_many_accounts_of_one_organisation_are_slowed_down(
    doors: Doors, house: House, client: httpx.AsyncClient, admin: asyncpg.Connection
) -> None:
    patience = ORGANISATION.free
    domain = "stuffed.example"
    # As if others had failed all over the organisation.
    async with coming_from(doors, "198.51.100.1") as stranger:
        assert (await login(stranger, f"first@{domain}")).status_code == 401
    await admin.execute("UPDATE login_failures SET failures = $1 WHERE failures = 1", patience - 1)
    await admin.execute(
        "DELETE FROM login_failures WHERE key = ANY($1)",
        [
            house.vault.keyed_hash("failed sign-in", f"account:first@{domain}"),
            house.vault.keyed_hash("failed sign-in", "address:198.51.100.1"),
        ],
    )
    statuses = []
    for number in range(3):
        async with coming_from(doors, f"198.51.100.{number + 2}") as stranger:
            statuses.append((await login(stranger, f"person{number}@{domain}")).status_code)
    assert statuses == [401, 429, 429]
    other = await login(client, "person@elsewhere.example")
    assert other.status_code == 401


async def test_sec_rate_limit_dos_03_the_owner_gets_in_on_a_known_device_during_an_attack(
    client: httpx.AsyncClient, doors: Doors, acme: Organisation
) -> None:
    email = acme.people["owner"].email
    device = (await sign_in(client, acme))["device_token"]
    await fail_from_everywhere(doors, email, 8)
    assert (await login(client, email, PASSWORD)).status_code == 429
    known = await login(client, email, PASSWORD, device_token=device)
    assert known.status_code == 200, known.text


async def test_sec_rate_limit_dos_03_a_known_device_has_a_count_of_its_own(
    client: httpx.AsyncClient, doors: Doors, acme: Organisation
) -> None:
    email = acme.people["owner"].email
    device = (await sign_in(client, acme))["device_token"]
    statuses = [(await login(client, email, device_token=device)).status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    async with coming_from(doors, "203.0.113.5") as elsewhere:
        assert (await login(elsewhere, email, PASSWORD)).status_code == 200


async def test_sec_rate_limit_dos_03_a_device_is_known_to_its_own_account_only(
    client: httpx.AsyncClient, doors: Doors, acme: Organisation, house: House, clock: FakeClock
) -> None:
    victim = acme.people["owner"].email
    mine = (await sign_in(client, acme, "viewer"))["device_token"]
    for foreign in (mine, mine[:-4] + "AAAA", "nonsense", "A" * 74, "\u00e9" * 20):
        assert known_device(house.vault, victim, foreign, clock.now()) is None
    assert known_device(house.vault, acme.people["viewer"].email, mine, clock.now())
    await fail_from_everywhere(doors, victim, 8)
    assert (await login(client, victim, PASSWORD, device_token=mine)).status_code == 429


def test_a_device_is_forgotten_after_half_a_year(house: House, clock: FakeClock) -> None:
    token = new_device_token(house.vault, "ada@x.example", clock.now())
    assert known_device(house.vault, "ada@x.example", token, clock.now())
    clock.advance(seconds=KNOWN_FOR.total_seconds())
    assert known_device(house.vault, "ada@x.example", token, clock.now()) is None


async def test_a_device_token_opens_nothing_and_is_told_at_a_sign_in_only(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    tokens = await sign_in(client, acme)
    device = tokens["device_token"]
    headers = {"Authorization": f"Bearer {device}"}
    assert (await client.get("/v1/auth/me", headers=headers)).status_code == 401
    renewed = await client.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert renewed.json()["device_token"] is None


async def test_sec_rate_limit_dos_01_failed_sign_ins_are_counted_for_every_process(
    client: httpx.AsyncClient, house: House, acme: Organisation
) -> None:
    email = acme.people["owner"].email
    for _ in range(5):
        assert (await login(client, email)).status_code == 401
    second = await wiring.open_house(house.settings)
    second.clock = house.clock
    try:
        doors = await wiring.build_app(second)
        async with doors.live, coming_from(doors, "203.0.113.5") as elsewhere:
            refused = await login(elsewhere, email, PASSWORD)
    finally:
        await second.database.close()
    assert refused.status_code == 429
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert refused.headers["retry-after"] == refused.headers["x-ratelimit-retry-after"]
    assert int(refused.headers["x-ratelimit-reset"]) > house.clock.now().timestamp()


async def test_sec_rate_limit_dos_01_calls_without_credentials_are_limited_with_headers(
    doors: Doors,
) -> None:
    async with coming_from(doors, "203.0.113.77") as stranger:
        answers = [
            await stranger.post("/v1/auth/invitations/accept", json={"token": "x", "password": "y"})
            for _ in range(301)
        ]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    for name in ("limit", "remaining", "reset", "retry-after"):
        assert f"x-ratelimit-{name}" in answers[-1].headers
    async with coming_from(doors, "203.0.113.78") as other:
        answer = await other.post(
            "/v1/auth/invitations/accept", json={"token": "x", "password": "y"}
        )
    assert answer.status_code == 404


async def test_sec_password_account_08_a_flood_of_sign_ins_leaves_the_rest_answering(
    client: httpx.AsyncClient, doors: Doors, acme: Organisation, house: House
) -> None:
    desk_of(house)
    headers = bearer(await sign_in(client, acme))
    clients = [coming_from(doors, f"198.51.100.{n}") for n in range(200)]
    flood = [
        asyncio.create_task(login(one, f"flood{n}@d{n}.example")) for n, one in enumerate(clients)
    ]
    waits = []
    while not all(task.done() for task in flood):
        began = time.perf_counter()
        assert (await client.get("/health/live")).status_code == 200
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(0.01)
    statuses = {(await task).status_code for task in flood}
    assert statuses <= {401, 429, 503}
    assert 503 in statuses
    assert sorted(waits)[len(waits) * 9 // 10] < 1.0
    assert (await client.get("/v1/projects", headers=headers)).status_code == 200
    for one in clients:
        await one.aclose()


async def test_sec_password_account_02_inviting_someone_of_another_tenant_tells_nothing(
    client: httpx.AsyncClient,
    house: House,
    acme: Organisation,
    globex: Organisation,
    admin: asyncpg.Connection,
) -> None:
    headers = await acme.headers(client)
    elsewhere = globex.people["owner"].email
    answers = [
        await client.post("/v1/users", json={"email": email, "role": "viewer"}, headers=headers)
        for email in (elsewhere, "unheard-of@nowhere.example")
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    shapes = [
        {key: value for key, value in answer.json().items() if key in ("role", "status")}
        for answer in answers
    ]
    assert shapes[0] == shapes[1]
    assert set(answers[0].json()) == set(answers[1].json())
    mailed = await admin.fetchval(
        "SELECT count(*) FROM outgoing_mail WHERE recipient = $1 AND tenant_id = $2",
        elsewhere,
        acme.id,
    )
    assert mailed == 1


@pytest.mark.parametrize("header", ["x-real-ip", "forwarded", "cf-connecting-ip", "x-client-ip"])
async def test_sec_password_account_04_no_header_of_the_caller_makes_another_address(
    client: httpx.AsyncClient, house: House, acme: Organisation, header: str
) -> None:
    value = "for=203.0.113.9" if header == "forwarded" else "203.0.113.9"
    email = acme.people["owner"].email
    answer = await client.post(
        "/v1/auth/login", json={"email": email, "password": PASSWORD}, headers={header: value}
    )
    sessions = await client.get("/v1/auth/sessions", headers=bearer(answer.json()))
    assert sessions.json()["data"][0]["address"] == "127.0.0.1"


async def test_sec_password_account_03_a_whole_network_is_one_address(
    client: httpx.AsyncClient, doors: Doors
) -> None:
    """Whoever has one IPv6 address has 2^64 of them to come from."""
    for number in range(ADDRESS.free):
        async with coming_from(doors, f"2001:db8:77:1::{number:x}") as stranger:
            answer = await login(stranger, f"nobody{number}@net{number}.example")
            assert answer.status_code == 401
    for address, expected in (("2001:db8:77:1:ffff::1", 429), ("2001:db8:77:2::1", 401)):
        async with coming_from(doors, address) as stranger:
            answer = await login(stranger, "somebody@another.example")
            assert answer.status_code == expected, address


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8::1:2:3:4", "2001:db8::/64"),
        ("unknown", "unknown"),
    ],
)
def test_what_a_caller_can_choose_from_counts_as_one(address: str, network: str) -> None:
    assert network_of(address) == network


async def test_a_person_elsewhere_with_the_same_address_shares_its_count(
    client: httpx.AsyncClient, house: House, acme: Organisation, globex: Organisation
) -> None:
    email = acme.people["owner"].email
    await add_person(house, globex, email=email, role="owner", password="quite another one")
    for named in (acme, globex) * 3:
        await login(client, email, tenant_id=named.tenant.slug)
    refused = await login(client, email, PASSWORD, tenant_id=acme.tenant.slug)
    assert refused.status_code == 429
