"""Which repository addresses are allowed, and which are a way in."""

from pathlib import Path

import pytest

from leanvibe_server.kernel.errors import InvalidRequest
from leanvibe_server.projects.remote_urls import (
    check_repository_url,
    redact_url,
    resolve_address,
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    (path / "repositories" / "mine").mkdir(parents=True)
    (path / "repositories" / "theirs").mkdir()
    return path


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "user"),
    [
        ("https://github.com/ada/project.git", "https", "github.com", None, None),
        ("https://git.example.com:8443/ada/project", "https", "git.example.com", 8443, None),
        ("ssh://git@git.example.com:2222/ada/project", "ssh", "git.example.com", 2222, "git"),
        ("git@github.com:ada/project.git", "ssh", "github.com", None, "git"),
        ("https://[2606:4700::6810:84e5]/x", "https", "[2606:4700::6810:84e5]", None, None),
    ],
)
def test_the_usual_addresses_pass_in_production(
    url: str, scheme: str, host: str, port: int | None, user: str | None, home: Path
) -> None:
    parsed = check_repository_url(url, production=True, home=home)
    found = (parsed.text, parsed.scheme, parsed.host, parsed.port, parsed.user)
    assert found == (url, scheme, host, port, user)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x" * 3000,
        "--upload-pack=touch /tmp/x",
        "-oProxyCommand=x",
        "ext::sh -c touch%20x",
        "fd::3",
        "git://example.com/x",
        "ftp://example.com/x",
        "example.com/x",
        "/srv/x",
        "../x",
        "https://example.com/x\n--config=y",
        "https://example.com/a b",
        "https://example.com",
        "https://example.com/",
        "https://example.com/-x",
        "https://example.com/a/../../b",
        "https://example.com/a/%2e%2e/b",
        "https://example.com/x?token=1",
        "https://example.com/x#y",
        "https://ada:secret@example.com/x",
        "https://token@example.com/x",
        "ssh://git:secret@example.com/x",
        "ssh://-oProxyCommand=x/y",
        "ssh://-oProxyCommand@example.com/y",
        "ssh://git@-oProxyCommand/y",
        "git@-oProxyCommand:x",
        "-x@example.com:y",
        "git@example.com:-x",
        "https://exa$mple.com/x",
        "https://example.com:99999/x",
        "https://example.com:25/x",
        "https://example.com\\@evil.com/x",
        "file://host/srv/x",
    ],
)
def test_everything_else_is_refused_everywhere(url: str, home: Path) -> None:
    for production in (True, False):
        with pytest.raises(InvalidRequest) as caught:
            check_repository_url(url, production=production, home=home)
        assert caught.value.details["validation_errors"][0].startswith("repository_url: ")


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.9.9", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "[::1]", "[fe80::1]", "[fd00::1]", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]"),
        *("2130706433", "0177.0.0.1", "127.1", "localhost", "db", "printer.local", "a.internal"),
        *("[2002:0a00:0001::]", "224.0.0.1"),
    ],
)
def test_private_places_are_refused_in_production(host: str, home: Path) -> None:
    with pytest.raises(InvalidRequest):
        check_repository_url(f"https://{host}/x", production=True, home=home)


def test_plain_http_is_for_the_loopback_in_development(home: Path) -> None:
    assert check_repository_url("http://127.0.0.1:8000/x", production=False, home=home)
    for url, production in (("http://127.0.0.1:8000/x", True), ("http://example.com/x", False)):
        with pytest.raises(InvalidRequest, match="cannot be used"):
            check_repository_url(url, production=production, home=home)


def test_files_are_for_development(home: Path, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    url = f"file://{tmp_path}/project"
    assert check_repository_url(url, production=False, home=home).path == f"{tmp_path}/project"
    with pytest.raises(InvalidRequest):
        check_repository_url(url, production=True, home=home)


def test_the_products_own_files_are_closed_but_for_the_tenants_own(home: Path) -> None:
    mine = home / "repositories" / "mine"

    def check(path: str) -> str:
        url = f"file://{path}"
        roots = [mine]
        return check_repository_url(url, production=False, home=home, allowed_file_roots=roots).path

    assert check(f"{mine}/project.git") == f"{mine}/project.git"
    for path in (
        str(home),
        f"{home}/repositories/theirs",
        f"{mine}/../theirs",
        f"{mine}/%2e%2e/theirs",
    ):
        with pytest.raises(InvalidRequest):
            check(path)


def test_a_link_into_the_products_files_is_no_way_around(home: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home / "repositories" / "theirs")
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / ".git").symlink_to(home / "repositories" / "theirs")
    named = tmp_path / "named"
    named.mkdir()
    (named / ".git").write_text(f"gitdir: {home}/repositories/theirs\n")
    for path in (tmp_path / "link", linked, named):
        with pytest.raises(InvalidRequest):
            check_repository_url(f"file://{path}", production=False, home=home)


async def test_a_public_name_is_bound_to_the_address_that_was_checked(home: Path) -> None:
    async def public(host: str) -> list[str]:
        return ["93.184.216.34"]

    async def private(host: str) -> list[str]:
        return ["127.0.0.1"]

    url = check_repository_url("https://example.com/x", production=True, home=home)
    assert (await resolve_address(url, public)).address == "93.184.216.34"
    with pytest.raises(InvalidRequest):
        await resolve_address(url, private)


def test_credentials_in_urls_never_reach_a_log() -> None:
    said = redact_url("fatal: https://ada:secret@example.com/x and ssh://git@h/y failed")
    assert said == "fatal: https://example.com/x and ssh://h/y failed"
