"""The benchmarks run. What they find on a busy machine is not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.__main__ import BENCHMARKS

from benchmarks import page, report

ROOT = Path(__file__).parents[2]


# The engine's own tests do whole tasks; its benchmark would do the same, four times.
@pytest.mark.parametrize(
    "name", ["authenticated_read", "rls_read", "logins", "refreshes", "middleware", "jobs"]
)
def test_a_benchmark_runs_and_keeps_its_figures(tmp_path: Path, name: str) -> None:
    words = [sys.executable, "-m", "benchmarks", name, "--quick", "--results", str(tmp_path)]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stderr
    kept = json.loads((tmp_path / f"{name}.json").read_text())
    assert kept["machine"]["postgres"]
    assert kept["machine"]["cores"] > 0
    assert kept["control"]["median"] is not None
    assert all(figure["lowest"] <= figure["median"] for figure in kept["figures"])
    assert name in ran.stdout


def test_the_page_prints_what_was_measured() -> None:
    assert page.printed_table() == report.table(report.RESULTS, BENCHMARKS)
    kept = [json.loads(path.read_text()) for path in report.RESULTS.glob("*.json")]
    assert {one["name"] for one in kept} == set(BENCHMARKS)
    assert not any(one["quick"] for one in kept)
