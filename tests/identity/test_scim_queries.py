"""What a provisioning client asks for: filters, order, pages, chosen attributes."""

import time
from typing import Any
from uuid import uuid4

import httpx
import pytest

from leanvibe_server.identity.scim.conditions import USERS, Condition
from leanvibe_server.identity.scim.filters import parse_filter
from leanvibe_server.kernel.errors import InvalidRequest
from tests.given import Organisation
from tests.identity.given_scim import (
    ENTERPRISE,
    USER,
    add,
    refused,
)

NO_FILTERS = [
    'userName eq "x"); DROP TABLE users; --',
    "userName eq 'x' OR 1=1",
    'userName eq "x" OR 1=1',
    "(" * 1000 + 'userName eq "x"' + ")" * 1000,
    'userName eq "' + "x" * 50_000 + '"',
    " and ".join(['userName eq "x"'] * 2000),
    "not (" * 500 + "userName pr" + ")" * 500,
    'password eq "x"',
    'passwordHash sw "$"',
    'u.email eq "x"',
    "userName",
    "userName eq",
    "userName eq x",
    'userName is "x"',
    'emails[type eq "work"',
    'emails[emails[type eq "work"]]',
    'userName eq "x" extra',
    "active gt true",
    'active eq "maybe"',
    "userName eq 5",
    'meta.created gt "yesterday"',
    'userName eq "\\u0000"',
    'userName eq "\\ud800"',
    "",
]


@pytest.mark.parametrize("kind", ["Users", "Groups"])
async def test_sec_scim_04_a_filter_that_is_none_is_refused_in_bounded_time(
    kind: str, idp: httpx.AsyncClient
) -> None:
    for text in NO_FILTERS:
        refused(await idp.get(f"/{kind}", params={"filter": text}), 400, "invalidFilter")
    for text in (*NO_FILTERS, "(" * 100_000, 'a eq "' + "\\" * 100_000, "a" * 3_999, "[" * 3_999):
        assert min(cost_of(text) for _ in range(3)) < 0.1


def cost_of(text: str) -> float:
    """Seconds of processor time to refuse a filter; the least of several is the filter's own."""
    began = time.process_time()
    with pytest.raises(InvalidRequest):
        parse_and_use(text)
    return time.process_time() - began


def parse_and_use(text: str) -> None:
    Condition(USERS, first=2).of(parse_filter(text))


async def test_filters_find_whom_they_name(idp: httpx.AsyncClient, acme: Organisation) -> None:
    mark = uuid4().hex
    made = await add(
        idp,
        externalId=mark,
        displayName="Grace Hopper",
        name={"givenName": "Grace"},
        emails=[{"value": f"{mark}@home.example", "type": "home"}],
        **{ENTERPRISE: {"department": mark}},
    )
    off = await add(idp, active=False)
    group = await idp.post(
        "/Groups", json={"displayName": mark, "members": [{"value": made["id"]}]}
    )

    async def names(text: str) -> list[str]:
        answer = await idp.get("/Users", params={"filter": text, "count": 200})
        assert answer.status_code == 200, (text, answer.text)
        return [one["id"] for one in answer.json()["Resources"]]

    for text in (
        f'userName eq "{made["userName"]}"',
        f'userName Eq "{made["userName"].upper()}"',
        f'{USER}:userName eq "{made["userName"]}"',
        f'externalId eq "{mark}"',
        f'id eq "{made["id"]}"',
        f'emails.value eq "{mark}@home.example"',
        f'emails eq "{mark}@home.example"',
        f'emails[type eq "home" and value sw "{mark}"]',
        f'{ENTERPRISE}:department eq "{mark}"',
        f'groups.value eq "{group.json()["id"]}"',
        f'groups.display eq "{mark}"',
        f'not (externalId ne "{mark}")',
        f'(externalId eq "{mark}" or title pr) and active eq true and displayName co "HOPP"',
        f'externalId eq "{mark}" and name.givenName ew "ace"',
        f'externalId eq "{mark}" and meta.created le "2026-03-02T12:00:00Z"',
        f'externalId eq "{mark}" and nickName eq null',
        f'externalId eq "{mark}" and userName gt "!"',
    ):
        assert await names(text) == [made["id"]], text
    assert off["id"] in await names("active eq false")
    assert made["id"] not in await names('active eq "False"')
    assert str(acme.people["owner"].id) in await names('roles.value eq "owner"')
    assert await names(f'externalId eq "{mark.upper()}"') == []
    assert await names(f'userName eq "{acme.people["viewer"].email}"') == [
        str(acme.people["viewer"].id)
    ]


async def test_lists_are_sorted_and_paged(idp: httpx.AsyncClient) -> None:
    for name in ("c", "a", "b"):
        await add(idp, title="paged", displayName=name)
    query = {"filter": 'title eq "paged"', "sortBy": "displayName"}

    async def ask(**more: Any) -> dict[str, Any]:
        answer = await idp.get("/Users", params=query | more)
        listed: dict[str, Any] = answer.json()
        return listed

    first = await ask(count=2)
    assert [one["displayName"] for one in first["Resources"]] == ["a", "b"]
    assert (first["totalResults"], first["itemsPerPage"], first["startIndex"]) == (3, 2, 1)
    second = await ask(startIndex=3, count=2)
    assert [one["displayName"] for one in second["Resources"]] == ["c"]
    down = await ask(sortOrder="descending", startIndex=-5)
    assert [one["displayName"] for one in down["Resources"]] == ["c", "b", "a"]
    none = await ask(count=0)
    assert (none["totalResults"], none["Resources"]) == (3, [])
    refused(await idp.get("/Users", params={"sortBy": "password"}), 400, "invalidPath")
    refused(await idp.get("/Users", params={"count": "many"}), 400, "invalidSyntax")


async def test_a_client_chooses_what_it_sees(idp: httpx.AsyncClient) -> None:
    made = await add(idp, displayName="A", name={"givenName": "G", "familyName": "F"})
    path = f"/Users/{made['id']}"
    shown = (await idp.get(path, params={"attributes": "userName,name.givenName"})).json()
    assert shown == {
        "schemas": made["schemas"],
        "id": made["id"],
        "userName": made["userName"],
        "name": {"givenName": "G"},
    }
    without = (await idp.get(path, params={"excludedAttributes": "name,roles"})).json()
    assert not {"name", "roles"} & without.keys()
    assert without["displayName"] == "A"
