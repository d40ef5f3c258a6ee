"""Other sites cannot act in a signed-in person's name."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from leanvibe_server.kernel.errors import Forbidden
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.kernel.request import Visit
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.projects import service as projects
from leanvibe_server.web.forgery import check_origin
from tests.given import Organisation
from tests.web.conftest import EnterAs


async def _count_projects(organisation: Organisation) -> int:
    house = organisation.house
    async with house.database.tenant(organisation.id) as conn:
        scope = Scope(conn, organisation.id, SYSTEM, house.clock, house)
        return len((await projects.list_projects(scope, PageRequest(limit=100))).data)


async def test_a_form_without_its_token_changes_nothing(
    enter_as: EnterAs, acme: Organisation
) -> None:
    visitor = await enter_as(acme, "owner")
    await visitor.open("/projects/new")
    for token in ("", "0" * 40, "ü" * 40):
        answer = await visitor.send("/projects/new", {"name": "Forged"}, token=token)
        assert answer.status_code == 403
    assert await _count_projects(acme) == 0


async def test_the_token_of_another_session_is_refused(
    enter_as: EnterAs, acme: Organisation, globex: Organisation
) -> None:
    attacker = await enter_as(globex, "owner")
    await attacker.open("/projects/new")
    victim = await enter_as(acme, "owner")
    answer = await victim.send("/projects/new", {"name": "Forged"}, token=attacker.token)
    assert answer.status_code == 403
    assert await _count_projects(acme) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:8765.evil.example"},
        {"origin": "http://localhost:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_sec_session_refresh_14_another_origin_is_refused_even_with_the_token(
    enter_as: EnterAs, acme: Organisation, headers: Mapping[str, str]
) -> None:
    visitor = await enter_as(acme, "owner")
    await visitor.open("/projects/new")
    answer = await visitor.send("/projects/new", {"name": "Forged"}, headers=headers)
    assert answer.status_code == 403
    assert "came from another site" in visitor.text
    assert await _count_projects(acme) == 0


async def test_in_production_the_host_header_makes_no_site_our_own(acme: Organisation) -> None:
    house = acme.house
    for environment, public_url, refused in (
        ("production", "https://vibe.example", True),
        ("development", "", False),
    ):
        settings = replace(house.settings, environment=environment, public_url=public_url)
        visit = SimpleNamespace(
            house=SimpleNamespace(settings=settings),
            headers={"origin": "https://other.example", "host": "other.example"},
        )
        with pytest.raises(Forbidden) if refused else nullcontext():
            check_origin(cast(Visit, visit))
        visit.headers["origin"] = settings.base_url
        check_origin(cast(Visit, visit))


async def test_our_own_page_is_heard(enter_as: EnterAs, acme: Organisation) -> None:
    visitor = await enter_as(acme, "owner")
    await visitor.open("/projects/new")
    headers = {"origin": "http://localhost:8765", "sec-fetch-site": "same-origin"}
    answer = await visitor.send("/projects/new", {"name": "Real"}, headers=headers)
    assert answer.status_code == 303
    assert await _count_projects(acme) == 1


async def test_a_bearer_token_opens_no_page(enter_as: EnterAs, acme: Organisation) -> None:
    visitor = await enter_as(acme, "owner")
    token = await acme.token(visitor.client)
    visitor.client.cookies.clear()
    answer = await visitor.open("/projects", authorization=f"Bearer {token}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/projects")
