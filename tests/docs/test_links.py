"""A reader never runs into a link that leads nowhere."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.pages import ROOT, list_pages, without_code

LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ +(?P<text>.+)$", re.MULTILINE)
ELSEWHERE = ("http://", "https://", "mailto:")


def anchors_of(page: Path) -> set[str]:
    """The names of a page's headings as they stand behind a `#`."""
    plain = (
        re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", found["text"].replace("`", ""))
        for found in HEADING.finditer(page.read_text())
    )
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in plain}


def faults_of(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    faults = []
    for found in LINK.finditer(without_code(page.read_text())):
        target = found["target"]
        if target.startswith(ELSEWHERE):
            continue
        name, _, anchor = target.partition("#")
        place = (page.parent / unquote(name)).resolve() if name else page
        known = anchors_of(place) if place.suffix == ".md" and place.exists() else {anchor}
        if not place.exists() or (anchor and anchor not in known):
            faults.append(target)
    return faults


@pytest.mark.parametrize("page", list_pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_and_image_leads_somewhere(page: Path) -> None:
    assert faults_of(page) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A heading\n[a](missing.md) [b](#a-heading) [c](#other) `[d](code.md)`\n")

    assert faults_of(page) == ["missing.md", "#other"]


def test_every_page_of_the_documentation_can_be_reached_from_its_index() -> None:
    index = ROOT / "docs" / "README.md"
    named = {
        (index.parent / found["target"].partition("#")[0]).resolve()
        for found in LINK.finditer(index.read_text())
    }

    assert {page for page in (ROOT / "docs").rglob("*.md") if page != index} <= named
