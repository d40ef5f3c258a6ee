"""A domain belongs to one tenant at most, wherever the tenants live."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from leanvibe_server.identity.domains import service
from leanvibe_server.identity.domains.resolver import DnsResolver, NameServers
from leanvibe_server.kernel.house import House
from tests.fakes.dns_server import DnsServer
from tests.given import Organisation

DOMAINS = "/v1/auth/sso/domains"


@pytest.fixture
async def dns(world: House) -> AsyncIterator[DnsServer]:
    async with DnsServer() as server:
        world.place(NameServers(DnsResolver(("127.0.0.1",), server.port, timeout_s=0.5)))
        yield server


async def _add(caller: httpx.AsyncClient, dns: DnsServer, by: dict[str, str], name: str) -> str:
    made = (await caller.post(DOMAINS, json={"domain": name}, headers=by)).json()
    dns.texts.setdefault(made["record_name"], []).append(made["record_value"])
    return f"{DOMAINS}/{made['id']}/verify"


async def test_tenants_of_two_regions_do_not_both_prove_a_domain(
    caller: httpx.AsyncClient, dns: DnsServer, berlin: Organisation, boston: Organisation
) -> None:
    name = f"{berlin.tenant.slug}.com"
    first, second = await berlin.headers(caller), await boston.headers(caller)
    theirs = await _add(caller, dns, first, name)
    ours = await _add(caller, dns, second, name)
    assert (await caller.post(theirs, headers=first)).status_code == 200
    refused = await caller.post(ours, headers=second)
    assert (refused.status_code, refused.json()["details"]["reason"]) == (409, "proved_elsewhere")


async def test_whoever_proves_it_in_the_same_moment_in_another_region_loses_it(
    caller: httpx.AsyncClient,
    world: House,
    dns: DnsServer,
    berlin: Organisation,
    boston: Organisation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = f"{boston.tenant.slug}.com"
    first, second = await berlin.headers(caller), await boston.headers(caller)
    paths = [await _add(caller, dns, first, name), await _add(caller, dns, second, name)]
    look, looked, both = service._find_owners, 0, asyncio.Event()

    async def look_together(house: House, domain: str) -> set[UUID]:
        nonlocal looked
        found = await look(house, domain)
        looked += 1
        if looked == 2:
            both.set()
        await both.wait()
        return found

    monkeypatch.setattr(service, "_find_owners", look_together)
    answers = await asyncio.gather(
        *(caller.post(path, headers=by) for path, by in zip(paths, (first, second), strict=True))
    )
    assert sum(answer.status_code == 200 for answer in answers) <= 1
    monkeypatch.undo()
    assert len(await service._find_owners(world, name)) <= 1
