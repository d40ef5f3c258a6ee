"""The how-tos work as printed: the commands of each, on one fresh product."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, list_fences, read_page
from tests.launch.test_start import Product

HELPERS = "howto/call-the-api.md"
PAGES = sorted(
    str(page.relative_to(DOCS))
    for page in (DOCS / "howto").glob("*.md")
    if list_fences(page.read_text(), "sh run")
)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a reader stands: a folder with the home of a running product in it."""
    folder = tmp_path_factory.mktemp("clone")
    product = Product(folder)
    try:
        product.wait_ready()
        (folder / ".leanvibe").symlink_to(product.home)
        yield folder
    finally:
        if product.process.poll() is None:
            product.stop()


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_how_to_are_answered(page: str, clone: Path) -> None:
    commands = list_fences(read_page(HELPERS), "sh run")
    if page != HELPERS:
        commands += list_fences(read_page(page), "sh run")
    done = subprocess.run(
        ["bash", "-euo", "pipefail"],
        input="\n".join(commands),
        cwd=clone,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
