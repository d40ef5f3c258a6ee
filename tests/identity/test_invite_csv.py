"""People invited by a CSV file: each line is answered, and none is lost."""

from typing import Any

import httpx
import pytest

from leanvibe_server.identity.people.csv_lines import MOST_LINES, read_sheet
from leanvibe_server.kernel.errors import InvalidRequest
from tests.given import Organisation
from tests.identity.test_people import address

Headers = dict[str, str]


async def send(
    client: httpx.AsyncClient, headers: Headers, body: str | bytes, **query: Any
) -> httpx.Response:
    content = body.encode() if isinstance(body, str) else body
    return await client.post(
        "/v1/users/bulk-invite/csv", params=query, content=content,
        headers=headers | {"Content-Type": "text/csv"},
    )  # fmt: skip


async def test_a_file_as_a_spreadsheet_writes_it_is_answered_line_by_line(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    one, two, guest = (address(acme, name) for name in ("one", "two", "guest2"))
    text = (
        f'\ufeffE-Mail;Name;Role;Expires_at\r\n{one};"Doe; Jane";viewer;\r\n\r\n'
        f"{two};=HYPERLINK(1);;\r\n{one.upper()};;;\r\n=1+1@;;;\r\n"
        f"{guest};;guest;2026-03-20\r\n{two};;owner;\r\nthree@x.example;;;;left over\r\n"
    )
    headers = await acme.headers(client, "admin")
    answer = await send(client, headers, text, role="developer", invitation_days=3)
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert [(one["line"], one["error"] and one["error"]["error"]) for one in body["data"]] == [
        (2, None), (4, "invalid_request"), (5, "conflict"), (6, "invalid_request"), (7, None),
        (8, "forbidden"), (9, "invalid_request"),
    ]  # fmt: skip
    assert (body["invited"], body["refused"]) == (2, 5)
    assert "line 2" in body["data"][2]["error"]["message"]
    assert body["data"][3]["email"] == "'=1+1@"
    assert "HYPERLINK" not in answer.text
    people = (await client.get("/v1/users", headers=headers)).json()["data"]
    found = {person["email"]: person for person in people}
    assert (found[one]["username"], found[one]["role"]) == ("Doe; Jane", "viewer")
    assert found[guest]["expires_at"] == "2026-03-20T23:59:59Z"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"\r\n", "no line"),
        (b"email,name\r\n", "no line below"),
        (b"email,phone\r\na@x.example,1\r\n", "there is no column 'phone'"),
        (b"email,=phone\r\na@x.example,1\r\n", 'there is no column "\'=phone"'),
        (b"email,email\r\na@x.example,1\r\n", "stands twice"),
        (b'email,name\r\nb@x.example,"open\r\na@x.example,\r\n', "line 2"),
        ("email\r\nä@x.example".encode("latin-1"), "UTF-8"),
        ("email\r\na@x.example".encode("utf-16"), "UTF-8"),
        (b"email\0\r\na@x.example", "text"),
        (b"a@x.example\n" * (MOST_LINES + 1), f"at most {MOST_LINES}"),
    ],
)
async def test_a_file_that_cannot_be_read_invites_nobody(
    client: httpx.AsyncClient, acme: Organisation, body: bytes, why: str
) -> None:
    headers = await acme.headers(client, "admin")
    refused = await send(client, headers, body)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request"), refused.text
    assert why in refused.json()["message"], refused.text
    assert (await client.get("/v1/invitations", headers=headers)).json()["data"] == []


async def test_who_may_not_invite_learns_nothing_of_their_file(
    client: httpx.AsyncClient, acme: Organisation
) -> None:
    viewer = await acme.headers(client, "viewer")
    for body in ("a@x.example", b"\xff"):
        assert (await send(client, viewer, body)).status_code == 403


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a@x", [{"email": "a@x"}]),
        ("a@x, viewer\nb@x", [{"email": "a@x", "role": "viewer"}, {"email": "b@x"}]),
        ("a@x\tAda\tviewer", [{"email": "a@x", "name": "Ada", "role": "viewer"}]),
        ("sep=;\nemail;role\na@x;guest\n", [{"email": "a@x", "role": "guest"}]),
        ('email,name\n"a@x","Ada ""A"" B"\n', [{"email": "a@x", "name": 'Ada "A" B'}]),
        ("role,email\n,a@x\n", [{"email": "a@x"}]),
    ],
)
def test_lines_are_read_as_people_and_programs_write_them(
    text: str, found: list[dict[str, str]]
) -> None:
    assert [line.fields for line in read_sheet(text).lines] == found


def test_a_name_on_two_lines_leaves_the_numbers_as_they_are() -> None:
    lines = read_sheet('email,name\na@x,"Ada\nB"\nb@x,\n').lines
    assert [(line.number, line.raw) for line in lines] == [(2, 'a@x,"Ada\nB"'), (4, "b@x,")]
    with pytest.raises(InvalidRequest):
        read_sheet("\n \n")
