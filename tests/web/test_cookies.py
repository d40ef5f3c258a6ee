"""Cookies over https: for this host alone, unreadable to scripts, and none that a neighbour set."""

import httpx
import pytest

from leanvibe_server.kernel.cookies import read_cookies, tie_cookie
from leanvibe_server.wiring import Doors
from tests.given import Organisation
from tests.web.visitors import Visitor


@pytest.fixture
async def visitor(doors: Doors) -> Visitor:
    """A browser that speaks https."""
    transport = httpx.ASGITransport(app=doors.app, raise_app_exceptions=False)
    return Visitor(httpx.AsyncClient(transport=transport, base_url="https://localhost:8765"))


def flags_of(answer: httpx.Response, name: str) -> set[str]:
    found = next(one for one in answer.headers.get_list("set-cookie") if one.startswith(f"{name}="))
    return {part.strip().lower() for part in found.split(";")[1:]}


async def test_sec_session_refresh_06_the_session_s_cookie_is_tied_to_the_host_and_hidden(
    visitor: Visitor, acme: Organisation
) -> None:
    answer = await visitor.sign_in(acme.people["owner"])
    assert answer.status_code == 303, visitor.text
    flags = flags_of(answer, "__Host-lv_session")
    assert {"secure", "httponly", "samesite=lax", "path=/"} <= flags
    assert not [flag for flag in flags if flag.startswith("domain")]
    assert (await visitor.open("/account")).status_code == 200
    gone = await visitor.send("/logout")
    assert {"secure", "path=/", "max-age=0"} <= flags_of(gone, "__Host-lv_session")
    assert (await visitor.open("/account")).status_code == 303


async def test_sec_session_refresh_06_a_cookie_that_a_neighbour_set_is_not_believed(
    visitor: Visitor, acme: Organisation
) -> None:
    answer = await visitor.sign_in(acme.people["owner"])
    own = answer.cookies["__Host-lv_session"]
    visitor.client.cookies.clear()
    for header, status in (
        (f"lv_session={own}", 303),
        (f"__Host-lv_session={own}", 200),
        (f"lv_session=planted; __Host-lv_session={own}", 200),
        (f"__Host-lv_session={own}; lv_session=planted", 200),
    ):
        assert (await visitor.open("/account", cookie=header)).status_code == status, header


def test_over_plain_http_cookies_go_by_their_plain_names() -> None:
    assert read_cookies("lv_session=a; lv_theme=dark", secure=False)["lv_session"] == "a"
    assert read_cookies("lv_session=a; lv_theme=dark", secure=True) == {"lv_theme": "dark"}


def test_cookies_for_one_path_and_for_scripts_stay_as_they_are() -> None:
    for header in (b"lv_sso_x=1; Path=/v1/auth", b"lv_theme=dark; Path=/"):
        assert tie_cookie(header) == header
