"""The tutorial works as printed: its commands, one after the other, on a fresh product."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from leanvibe_server.launch.sandbox_setup import check_sandbox
from tests.docs.pages import ROOT, list_fences, read_page
from tests.launch.test_start import Product

PAGE = "tutorials/first-task.md"


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    if shutil.which("bwrap") is None or not check_sandbox(tmp_path / "trial").ready:
        pytest.skip("no sandbox runs on this machine")
    product = Product(tmp_path)
    try:
        product.wait_ready()
        yield product
    finally:
        if product.process.poll() is None:
            product.stop()


@pytest.mark.timeout(300)
def test_the_commands_of_the_first_task_do_what_they_say(product: Product, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / ".leanvibe").symlink_to(product.home)
    (clone / ".venv").symlink_to(ROOT / ".venv")
    commands = list_fences(read_page(PAGE), "sh run")

    done = subprocess.run(
        ["bash", "-euo", "pipefail"],
        input="\n".join(commands),
        cwd=clone,
        env={**os.environ, "LEANVIBE_CONFIG": str(tmp_path / "login.json")},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
    assert "developer@acme.example" in said
    assert "def test_discount_percent" in said
    assert said.count("refs/heads/leanvibe/") == 1, "the branch is there, and gone once deleted"
    assert "[100%] completed" in said
    assert "no_recipe" in said
    assert "Endpoint for invoices" in said.rpartition("no_recipe")[0]
    assert said.rstrip().endswith("2"), "the retry is the second run"
