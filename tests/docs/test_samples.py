"""What the documentation shows is there: every route, every method of the SDK, every example."""

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

import leanvibe.exceptions
from leanvibe import LeanVibeClientSync
from leanvibe_server import wiring
from leanvibe_server.web import pages as web_pages
from tests.docs.pages import ROOT, list_pages, read_page

PAGES = [page for page in list_pages() if "adr" not in page.parts]
_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`\s?]*)")
_CALLED = re.compile(r'(?:api|curl)\b([^\n]*?)"?\$API(/[^"\s?]*)"?((?:\\\n|[^\n])*)')
_PLACE = re.compile(r"\{[^}]*\}|\$\{?\w+\}?|<[^>]*>")


def fences(page: Path, kind: str) -> Iterator[str]:
    """The code blocks of a page of that kind, also those inside lists."""
    for _, info, body in _FENCE.findall(page.read_text()):
        if info == kind:
            yield dedent(body)


def _routes() -> set[tuple[str, str]]:
    """Every method and path, with each place in a path written alike."""
    routers = (*wiring.API_ROUTERS, *wiring.STREET_ROUTERS, *web_pages.ROUTERS)
    return {
        (method, _PLACE.sub("{}", route.path))
        for router in routers
        for route in router.routes
        for method in getattr(route, "methods", None) or {"GET"}
    }


def is_there(method: str, path: str, known: set[tuple[str, str]]) -> bool:
    plain = _PLACE.sub("{}", path.rstrip("/.,"))
    shapes = [re.escape(p).replace(r"\{\}", "[^/]+") for m, p in known if m == method]
    spelled = (plain, plain.removeprefix("/v1"))
    return any(re.fullmatch(shape, one) for shape in shapes for one in spelled)


def test_every_route_that_a_page_names_is_there() -> None:
    known = _routes()
    missing = [
        f"{page.name}: {method} {path}"
        for page in PAGES
        for method, path in _NAMED.findall(page.read_text())
        if not is_there(method, path, known)
    ]
    assert missing == []


def test_every_call_of_an_example_is_there() -> None:
    known = _routes()
    missing = []
    for page in PAGES:
        for block in fences(page, "sh"):
            for before, path, after in _CALLED.findall(block):
                given = re.search(r"-X (\w+)", before + after)
                sends = re.search(r"(?:^|\s)-d\b", before + after)
                method = given[1] if given else "POST" if sends else "GET"
                if not is_there(method, path, known):
                    missing.append(f"{page.name}: {method} {path}")
    assert missing == []


def _public(thing: object) -> set[str]:
    return {name for name, _ in inspect.getmembers(thing, callable) if not name.startswith("_")}


def test_the_sdk_s_page_lists_every_method_and_no_other() -> None:
    lines = re.findall(r"^\| `(\w+)` \| (`.*) \|$", read_page("reference/python-sdk.md"), re.M)
    listed = {group: set(re.findall(r"`(\w+)`", names)) for group, names in lines}
    with LeanVibeClientSync(api_key="lv_test_none") as client:
        there = {
            name: _public(part)
            for name, part in vars(client).items()
            if type(part).__module__.startswith("leanvibe.resources")
        }
    assert {name: listed.get(name) for name in there} == there


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_can_be_read_by_a_machine(page: Path) -> None:
    for block in fences(page, "python"):
        tree = ast.parse(f"async def example():\n{_indented(block)}")
        assert [name for name in _names(tree) if not _resolves(name)] == []
    for block in fences(page, "json"):
        json.loads(re.sub(r"…", '"…"', re.sub(r'"[^"]*"', '""', block)))


def _names(tree: ast.AST) -> Iterator[list[str]]:
    """What an example says of the package and of its client: `leanvibe.x.y`, `client.x.y`."""
    for node in ast.walk(tree):
        parts = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if parts and isinstance(node, ast.Name) and node.id in ("leanvibe", "client"):
            yield [node.id, *parts]
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("leanvibe"):
            yield from ([*str(node.module).split("."), one.name] for one in node.names)


def _resolves(name: list[str]) -> bool:
    first, *rest = name
    with LeanVibeClientSync(api_key="lv_test_none") as client:
        thing: object = client if first == "client" else leanvibe
        for part in rest:
            thing = getattr(thing, part, None)
        return thing is not None


def _indented(block: str) -> str:
    return "\n".join(f"    {line}" for line in block.splitlines()) + "\n    pass\n"
