"""Who gets an account by a provider's word alone."""

from typing import Any

import httpx
import pytest

from tests.fakes.oidc_provider import Person
from tests.given import Organisation
from tests.identity.given_providers import verify_domain
from tests.identity.oidc_world import World, make_world

GOOGLE = "https://accounts.google.com"


async def google(client: httpx.AsyncClient, acme: Organisation, **settings: Any) -> World:
    return await make_world(client, acme, issuer=GOOGLE, configuration={"settings": settings})


def reason(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["details"]["reason"]


async def test_where_all_the_world_has_accounts_a_stranger_gets_none_here(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    world = await google(client, acme)
    refused = await world.sign_in(Person(email="stranger@gmail.com"))
    assert reason(refused) == (403, "newcomer_not_admitted")


async def test_people_of_a_proved_domain_come_in_by_a_public_provider(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    domain = f"{acme.tenant.slug}.example"
    await verify_domain(acme.house, acme, domain)
    world = await google(client, acme)
    assert (await world.sign_in(Person(email=f"ada@{domain}"))).status_code == 200
    doubtful = Person(subject="2", email=f"eve@{domain}", email_verified=False)
    assert reason(await world.sign_in(doubtful)) == (403, "newcomer_not_admitted")


@pytest.mark.parametrize(
    ("settings", "claims", "status"),
    [
        ({"hosted_domain": "corp.example"}, {"hd": "corp.example"}, 200),
        ({"newcomers": "anyone"}, {}, 200),
        ({"newcomers": "nobody", "hosted_domain": "corp.example"}, {"hd": "corp.example"}, 403),
    ],
)
async def test_an_admin_says_who_gets_an_account(
    client: httpx.AsyncClient,
    acme: Organisation,
    settings: dict[str, Any],
    claims: dict[str, Any],
    status: int,
) -> None:
    world = await google(client, acme, **settings)
    world.idp.bend_claims = lambda signed: signed.update(claims)
    answer = await world.sign_in()
    assert answer.status_code == status, answer.text


async def test_a_provider_of_the_company_s_own_adds_its_people(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    world = await make_world(client, acme)
    assert (await world.sign_in()).status_code == 200
