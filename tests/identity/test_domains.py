"""Domains: proved by a record, one tenant at most, and lost when the record stays away."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from leanvibe_server.identity.domains import service
from leanvibe_server.identity.domains.names import require_domain
from leanvibe_server.identity.domains.resolver import DnsResolver, NameServers
from leanvibe_server.kernel.errors import InvalidRequest
from leanvibe_server.kernel.house import House
from tests.conftest import FakeClock
from tests.fakes.dns_server import DnsServer
from tests.given import Organisation, organisation
from tests.identity.given_providers import add_provider, verify_domain


@pytest.fixture
async def dns(house: House) -> AsyncIterator[DnsServer]:
    async with DnsServer() as server:
        house.place(NameServers(DnsResolver(("127.0.0.1",), server.port, timeout_s=0.5)))
        yield server


async def add(client: httpx.AsyncClient, headers: dict[str, str], domain: str) -> dict[str, Any]:
    answer = await client.post("/v1/auth/sso/domains", json={"domain": domain}, headers=headers)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def verify(
    client: httpx.AsyncClient, headers: dict[str, str], domain: dict[str, Any]
) -> httpx.Response:
    return await client.post(f"/v1/auth/sso/domains/{domain['id']}/verify", headers=headers)


async def test_a_domain_is_proved_by_its_record(
    client: httpx.AsyncClient, acme: Organisation, dns: DnsServer
) -> None:
    headers = await acme.headers(client, "admin")
    domain = await add(client, headers, f"{acme.tenant.slug}.COM.")
    assert domain["record_name"] == f"_leanvibe-challenge.{acme.tenant.slug}.com"
    early = await verify(client, headers, domain)
    assert (early.status_code, early.json()["details"]["reason"]) == (400, "record_missing")
    dns.texts[domain["record_name"]] = ["v=spf1 -all", "leanvibe-domain-verification=other"]
    assert (await verify(client, headers, domain)).status_code == 400
    dns.texts[domain["record_name"]].append(domain["record_value"])
    proved = await verify(client, headers, domain)
    assert (proved.status_code, proved.json()["status"]) == (200, "verified")
    listed = await client.get("/v1/auth/sso/domains", headers=headers)
    assert [entry["status"] for entry in listed.json()["data"]] == ["verified"]


async def test_silent_name_servers_prove_and_disprove_nothing(
    client: httpx.AsyncClient, acme: Organisation, dns: DnsServer
) -> None:
    headers = await acme.headers(client)
    domain = await add(client, headers, f"{acme.tenant.slug}.com")
    dns.silent = True
    assert (await verify(client, headers, domain)).status_code == 503


async def test_one_tenant_at_most_proves_a_domain_and_only_its_master_learns_of_another(
    client: httpx.AsyncClient, acme: Organisation, dns: DnsServer, house: House
) -> None:
    name = f"{acme.tenant.slug}.com"
    first = await acme.headers(client)
    domain = await add(client, first, name)
    dns.texts[domain["record_name"]] = [domain["record_value"]]
    assert (await verify(client, first, domain)).status_code == 200
    other = await organisation(house, plan="enterprise", name="Other", roles=("owner",))
    second = await other.headers(client)
    theirs = await add(client, second, name)
    assert theirs["record_value"] != domain["record_value"]
    told_nothing = await verify(client, second, theirs)
    assert told_nothing.json()["details"]["reason"] == "record_missing"
    dns.texts[domain["record_name"]].append(theirs["record_value"])
    told = await verify(client, second, theirs)
    assert (told.status_code, told.json()["details"]["reason"]) == (409, "proved_elsewhere")


async def test_a_record_that_stays_away_for_days_takes_the_proof_with_it(
    client: httpx.AsyncClient,
    acme: Organisation,
    dns: DnsServer,
    house: House,
    clock: FakeClock,
    admin: asyncpg.Connection,
) -> None:
    headers = await acme.headers(client)
    domain = await add(client, headers, f"{acme.tenant.slug}.com")
    dns.texts[domain["record_name"]] = [domain["record_value"]]
    await verify(client, headers, domain)

    async def status() -> str:
        row = await admin.fetchrow("SELECT * FROM domains WHERE id = $1", domain["id"])
        if row["verified_at"] is None:
            return "pending"
        return "verified" if row["missing_since"] is None else "missing"

    del dns.texts[domain["record_name"]]
    seen = []
    for _ in range(5):
        clock.advance(hours=25)
        await service.sweep(house)
        seen.append(await status())
    assert seen == ["missing", "missing", "missing", "pending", "pending"]
    lost = await admin.fetchval(
        "SELECT count(*) FROM events WHERE tenant_id = $1 AND name = 'domain.lost'", acme.id
    )
    assert lost == 1


@pytest.mark.parametrize(
    "name",
    [
        "gmail.com",
        "Outlook.COM",
        "com",
        "co.uk",
        "github.io",
        "localhost",
        "printer.local",
        "127.0.0.1",
        "-a.com",
        "a..com",
        "a b.com",
        "exa\nmple.com",
        "evil.com/x",
        "*.example.com",
        "x" * 64 + ".com",
        "",
    ],
)
def test_what_is_nobody_s_own_domain_is_not_taken(name: str) -> None:
    with pytest.raises(InvalidRequest):
        require_domain(name)


def test_a_domain_has_one_form() -> None:
    assert require_domain(" Example.COM. ") == "example.com"
    assert require_domain("bücher.example.org") == "xn--bcher-kva.example.org"
    assert require_domain("acme.co.uk") == "acme.co.uk"
    assert require_domain("acme.github.io") == "acme.github.io"


async def test_discovery_tells_of_a_domain_and_of_nobody_in_it(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    owner = acme.people["owner"].email
    domain = owner.partition("@")[2]
    await add_provider(acme.house, acme, name="Acme login", slug="acme-login")
    await verify_domain(acme.house, acme, domain)

    async def ask(email: str) -> dict[str, Any]:
        answer = await client.post("/v1/auth/discover", json={"email": email})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    known = await ask(owner)
    assert known["methods"] == ["sso", "password"]
    assert known["provider"] == {
        "slug": "acme-login",
        "name": "Acme login",
        "type": "oidc",
        "tenant": acme.tenant.slug,
    }
    assert await ask(f"nobody@{domain}") == known
    strangers = [await ask(email) for email in ("a@b.example", "a@gmail.com", "no address")]
    assert all(
        answer == {"methods": ["password"], "provider": None, "providers": []}
        for answer in strangers
    )
    assert set(known) == set(strangers[0])


async def test_a_developer_may_neither_see_nor_change_domains(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    headers = await acme.headers(client, "developer")
    assert (await client.get("/v1/auth/sso/domains", headers=headers)).status_code == 403
    answer = await client.post("/v1/auth/sso/domains", json={"domain": "acme.com"}, headers=headers)
    assert answer.status_code == 403
