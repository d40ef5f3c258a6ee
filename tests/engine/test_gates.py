"""The gates: each finds what is new, forgives what was there, and says when it did not run."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from leanvibe_server.engine.exhaustion import advise, is_excused, read_breakdown
from leanvibe_server.engine.gates import (
    GATE_NAMES,
    Gate,
    GateSettings,
    list_blocking,
    mark_not_run,
    read_answer,
)
from leanvibe_server.engine.recipes import LINT_AUTOFIX, list_required_gates
from leanvibe_server.engine.sandbox import Limits, ToolFailed
from tests.engine.programs import lay_out, make_diff, run_gate

TREE = {
    "shop.py": '''\
"""The shop."""

import os  # an old finding


def price(quantity: int) -> int:
    """The price."""
    return quantity * 3
''',
    "test_shop.py": """\
from shop import price


def test_price() -> None:
    assert price(2) == 6
    assert price(0) == 0


def test_known_broken() -> None:
    assert price(1) == 4
""",
}
TANGLE = "def tangle(a, b, c):\n" + "".join(
    f"{'    ' * depth}if {'abc'[depth % 3]}:\n{'    ' * (depth + 1)}a += {depth}\n"
    for depth in range(1, 8)
)


class Trees:
    """A tree before and after a change."""

    def __init__(self, place: Path, base: dict[str, str]) -> None:
        self.base = lay_out(place / "base", base)
        self.head = lay_out(place / "head", base)
        self._scratch = place / "scratch"
        self._scratch.mkdir()
        self.earlier: dict[str, dict[str, Any]] = {}

    def change(self, files: dict[str, str | None]) -> "Trees":
        for path, text in files.items():
            if text is None:
                (self.head / path).unlink()
            else:
                lay_out(self.head, {path: text})
        self._diff = make_diff(self.base, self.head, self._scratch)
        return self

    def run(self, gate: str, settings: GateSettings | None = None) -> Gate:
        return run_gate(
            gate, self.base, self.head, self._diff, earlier=self.earlier, settings=settings
        )


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path, TREE)


def with_line(line: str) -> dict[str, str | None]:
    return {"shop.py": TREE["shop.py"] + f"\n\n{line}\n"}


@pytest.mark.parametrize(
    ("gate", "code", "rule"),
    [
        ("lint", "import sys", "F401"),
        ("lint", "x = f'y'", "F541"),
        ("security", "import subprocess\nsubprocess.call('ls', shell=True)", "S602"),
        ("security", "import yaml\n\n\ndef f(t):\n    return yaml.load(t)", "S506"),
        ("complexity", TANGLE, "cognitive"),
        ("documentation", "def a():\n    return 1\n\n\ndef b():\n    return 2", "undocumented"),
        ("dead_code", "import sys", "F401"),
        ("dead_code", "def _lonely():\n    return 1", "unused"),
        ("suppressions", "y = 1  # noqa: E501", "suppression"),
        ("suppressions", "z = 1  # type: ignore", "suppression"),
    ],
)
def test_a_gate_fails_on_what_the_change_brings_in(
    trees: Trees, gate: str, code: str, rule: str
) -> None:
    found = trees.change(with_line(code)).run(gate)
    assert found.status == "failed"
    assert found.reason
    assert rule in {one["rule"] for one in found.findings}
    assert {one["path"] for one in found.findings} == {"shop.py"}


@pytest.mark.parametrize("gate", [one for one in GATE_NAMES if one not in {"tests", "coverage"}])
def test_a_gate_passes_a_clean_change_and_forgives_what_was_there(trees: Trees, gate: str) -> None:
    clean = 'def cost(quantity: int) -> int:\n    """The cost."""\n    return price(quantity) // 2'
    found = trees.change(with_line(clean)).run(gate)
    assert (found.status, found.reason, found.findings) == ("passed", None, [])


@pytest.mark.parametrize(
    ("gate", "before", "after"),
    [
        # On a whole file: reported on the first line, whose text is another one now.
        ("lint", "import os\nimport sys\n\nprint(sys.path)\n", "import sys\n\nprint(sys.path)\n"),
        # Further down, on the same line.
        ("lint", "import os\n", "x = 1\ny = 2\nimport os\n"),
        # On a line that says the same in other words.
        ("dead_code", "import os, sys\n\nprint(sys.path)\n", "import sys\nimport os\nprint(sys)\n"),
    ],
)
def test_a_finding_that_moved_is_not_new(
    tmp_path: Path, gate: str, before: str, after: str
) -> None:
    base = {"app/__init__.py": "", "app/my-script.py": before}
    found = Trees(tmp_path, base).change({"app/my-script.py": after}).run(gate)
    assert (found.status, found.reason, found.findings) == ("passed", None, [])


@pytest.mark.parametrize("gate", ["lint", "dead_code"])
def test_a_second_finding_of_the_same_message_is_new(tmp_path: Path, gate: str) -> None:
    old = "def f():\n    import os, sys\n    return sys\n"
    new = "def f():\n    import os\n    import sys\n\n    return sys\n\n\n"
    new += "def g():\n    import os\n"
    found = Trees(tmp_path, {"a.py": old}).change({"a.py": new}).run(gate)
    assert found.status == "failed"
    assert found.numbers["new_findings"] == 1
    assert [one["rule"] for one in found.findings] == ["F401"]


def test_a_dangerous_call_that_took_the_place_of_another_is_new(tmp_path: Path) -> None:
    text = "import subprocess\n\n\ndef run(name):\n    subprocess.call({}, shell=True)\n"
    trees = Trees(tmp_path, {"a.py": text.format("f'ls {{len(name)}}'")})
    assert trees.change({"a.py": text.format("name")}).run("security").status == "failed"


def test_without_settings_ruff_s_own_rules_hold(tmp_path: Path) -> None:
    code = {"app/__init__.py": "", "app/my-script.py": "import os\nprint( os.sep )\n"}
    bare = Trees(tmp_path / "bare", {"pyproject.toml": "[project]\nname = 'a'\n"}).change(code)
    ruff = ["ruff", "check", "--isolated", "--no-cache", "--exit-zero", "--output-format", "json"]
    ran = subprocess.run(
        [sys.executable, "-m", *ruff, "."], cwd=bare.head, capture_output=True, check=True
    )
    own = sorted(one["code"] for one in json.loads(ran.stdout))
    assert own
    assert sorted(one["rule"] for one in bare.run("lint").findings) == own
    settings = {"ruff.toml": "[lint]\nselect = ['E703']\n"}
    assert Trees(tmp_path / "set", settings).change(code).run("lint").status == "passed"


@pytest.mark.parametrize(
    ("gate", "one", "two", "reasons"),
    [
        ("lint", "x = f'y'", "y = f'z'",
         ("1 new lint finding.", "2 new lint findings.")),
        ("dead_code", "import sys", "import re",
         ("1 new place of dead code.", "2 new places of dead code.")),
        ("suppressions", "y = 1  # noqa: E501", "z = 1  # noqa: E502",
         ("1 new comment silences a tool.", "2 new comments silence a tool.")),
        ("documentation", "def a(): ...", "def b(): ...",
         ("1 of 1 new public symbol has no docstring.",
          "2 of 2 new public symbols have no docstring.")),
        ("security", "eval(x)", "exec(x)",
         ("1 new security finding, the worst is medium.",
          "2 new security findings, the worst is medium.")),
    ],
)  # fmt: skip
def test_reasons_count_in_good_grammar(
    trees: Trees, gate: str, one: str, two: str, reasons: tuple[str, str]
) -> None:
    assert trees.change(with_line(one)).run(gate).reason == reasons[0]
    assert trees.change(with_line(f"{one}\n{two}")).run(gate).reason == reasons[1]


def test_asserts_and_made_up_secrets_of_tests_are_no_security_findings(trees: Trees) -> None:
    text = TREE["test_shop.py"] + "\n\nPASSWORD = 'only-a-test'\n\n\ndef test_b():\n    assert 1\n"
    found = trees.change({"test_shop.py": text}).run("security")
    assert (found.status, found.numbers["worst"]) == ("passed", "none")


def test_low_findings_pass_and_are_counted(trees: Trees) -> None:
    found = trees.change(with_line("assert price(1)")).run("security")
    assert (found.status, found.numbers["worst"], found.numbers["low"]) == ("passed", "low", 1)


def test_copied_code_is_duplication(trees: Trees) -> None:
    block = "\n".join(f"    value_{n} = price({n}) + {n}" for n in range(8))
    code = f"def one() -> None:\n{block}\n\n\ndef two() -> None:\n{block}"
    found = trees.change(with_line(code)).run("duplication")
    assert found.status == "failed"
    assert found.numbers["duplicated_lines"] == 16


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (("    assert price(0) == 0\n", ""), "fewer_checks"),
        (("def test_price", "@pytest.mark.skip\ndef test_price"), "new_skip"),
        (("def test_price", "def check_price"), "removed_test"),
        (("    assert price(0) == 0\n", "    assert True\n"), "empty_check"),
        (("    assert price(2) == 6\n", "    pytest.skip('later')\n    assert price(2) == 6\n"),
         "new_skip"),
    ],
)  # fmt: skip
def test_a_weakened_test_is_tampering(trees: Trees, change: tuple[str, str], rule: str) -> None:
    found = trees.change({"test_shop.py": TREE["test_shop.py"].replace(*change)}).run("tampering")
    assert found.status == "failed"
    assert rule in {one["rule"] for one in found.findings}


def test_a_deleted_test_file_and_a_switched_off_collection_are_tampering(trees: Trees) -> None:
    lay_out(trees.base, {"pytest.ini": "[pytest]\n"})
    trees.change(
        {"test_shop.py": None, "pytest.ini": "[pytest]\naddopts = --ignore=test_shop.py\n"}
    )
    rules = {one["rule"] for one in trees.run("tampering").findings}
    assert rules == {"removed_test", "collection_switched_off"}


def test_more_tests_are_no_tampering(trees: Trees) -> None:
    text = TREE["test_shop.py"] + "\n\ndef test_more() -> None:\n    assert price(9) == 27\n"
    assert trees.change({"test_shop.py": text}).run("tampering").status == "passed"


def test_a_regression_fails_and_a_known_broken_test_does_not(trees: Trees) -> None:
    worse = TREE["shop.py"].replace("* 3", "* 5")
    found = trees.change({"shop.py": worse}).run("tests")
    assert found.status == "failed"
    assert [(one["rule"], one["test"]) for one in found.findings] == [
        ("regression", "test_shop.py::test_price")
    ]
    assert (found.numbers["base_passing"], found.numbers["held"]) == (1, 0)
    assert found.numbers["known_broken"] == 1


def test_new_tests_count_and_give_the_coverage_of_the_change(trees: Trees) -> None:
    code = (
        "def sign(n: int) -> int:\n    if n < 0:\n        return -1\n    return 1\n\n\n"
        "def unused(n: int) -> int:\n    if n:\n        return 2\n    return 3"
    )
    tests = TREE["test_shop.py"] + (
        "\n\ndef test_sign() -> None:\n    from shop import sign\n\n    assert sign(1) == 1\n"
    )
    trees.change({**with_line(code), "test_shop.py": tests})
    found = trees.run("tests")
    assert (found.status, found.numbers["new_tests"], found.numbers["new_passing"]) == (
        "passed",
        1,
        1,
    )
    coverage = trees.run("coverage", GateSettings(timeout_s=60, coverage_target=0.9))
    assert coverage.status == "failed"
    assert coverage.numbers == {
        "executable_lines": 8,
        "covered_lines": 4,
        "diff_coverage": 0.5,
        "target": 0.9,
    }
    lenient = trees.run("coverage", GateSettings(timeout_s=60, coverage_target=0.5))
    assert lenient.status == "passed"


def test_a_failing_new_test_fails(trees: Trees) -> None:
    text = TREE["test_shop.py"] + "\n\ndef test_new() -> None:\n    assert price(1) == 1\n"
    found = trees.change({"test_shop.py": text}).run("tests")
    assert [one["rule"] for one in found.findings] == ["new_test_fails"]
    assert found.status == "failed"


def test_without_tests_the_gate_did_not_run(tmp_path: Path) -> None:
    trees = Trees(tmp_path, {"shop.py": TREE["shop.py"]})
    trees.change(with_line("x = 1"))
    found = trees.run("tests")
    assert (found.status, found.reason) == ("not_run", "The repository has no tests.")
    assert found.cause == "no_tests"
    coverage = trees.run("coverage")
    assert coverage.status == "not_run"


def test_the_first_tests_of_a_repository_count(tmp_path: Path) -> None:
    trees = Trees(tmp_path, {"shop.py": TREE["shop.py"]})
    tests = TREE["test_shop.py"].partition("\n\ndef test_known_broken")[0]
    found = trees.change({"test_shop.py": tests}).run("tests")
    assert (found.status, found.numbers["base_passing"], found.numbers["new_passing"]) == (
        "passed",
        0,
        1,
    )


def test_a_missing_package_is_no_failure_but_the_gate_did_not_run(trees: Trees) -> None:
    tests = (
        "import nowhere_to_be_found\n\n\ndef test_it() -> None:\n    assert nowhere_to_be_found\n"
    )
    found = trees.change({"test_more.py": tests}).run("tests")
    assert found.status == "not_run"
    assert found.reason == "The tests need nowhere_to_be_found, which is not installed."
    assert found.cause == "dependencies"


def test_an_undeclared_package_that_stops_old_tests_is_a_regression(trees: Trees) -> None:
    found = trees.change({"shop.py": "import nowhere_to_be_found\n" + TREE["shop.py"]}).run("tests")
    assert found.status == "failed"


def test_one_broken_file_does_not_stop_the_others(tmp_path: Path) -> None:
    trees = Trees(tmp_path, {**TREE, "test_broken.py": "def test_(:\n"})
    found = trees.change(with_line("x = 1")).run("tests")
    assert (found.status, found.numbers["held"], found.numbers["known_broken"]) == ("passed", 1, 2)


def test_endless_tests_are_cut_off(tmp_path: Path) -> None:
    endless = {"test_slow.py": "def test_slow():\n    while True:\n        pass\n"}
    trees = Trees(tmp_path, endless).change({"a.py": "x = 1\n"})
    found = trees.run("tests", GateSettings(timeout_s=2))
    assert (found.status, found.cause, found.reason) == (
        "not_run",
        "time",
        "Before the change: The tests did not end within 2 s.",
    )


def test_processes_that_tests_leave_behind_do_not_hold_the_suite_up(tmp_path: Path) -> None:
    left = "import subprocess\n\n\ndef test_left():\n    subprocess.Popen(['sleep', '50'])\n"
    trees = Trees(tmp_path, {"test_left.py": left}).change({"a.py": "x = 1\n"})
    found = trees.run("tests", GateSettings(timeout_s=20))
    assert (found.status, found.numbers["held"]) == ("passed", 1)


def test_a_flood_of_output_is_cut_off(tmp_path: Path) -> None:
    flood = "import os\n\n\ndef test_flood():\n    while True:\n        os.write(2, b'x' * 65536)\n"
    files = {"test_flood.py": flood, "pytest.ini": "[pytest]\naddopts = -s\n"}
    trees = Trees(tmp_path, files).change({"a.py": "x = 1\n"})
    found = trees.run("tests", GateSettings(timeout_s=20))
    assert (found.status, found.cause) == ("not_run", "output")
    assert "The tests printed more than 64 MB." in str(found.reason)


def test_a_suite_that_ends_itself_did_not_run(tmp_path: Path) -> None:
    gone = "import os\n\n\ndef test_gone():\n    os._exit(0)\n"
    found = Trees(tmp_path, {"test_gone.py": gone}).change({"a.py": "x = 1\n"}).run("tests")
    assert (found.status, found.cause) == ("not_run", "unrunnable")


def test_only_broken_tests_prove_nothing(tmp_path: Path) -> None:
    broken = {"test_broken.py": "def test_broken():\n    assert 1 == 2\n"}
    found = Trees(tmp_path, broken).change({"a.py": "x = 1\n"}).run("tests")
    assert (found.status, found.cause) == ("not_run", "none_passed")


def test_a_conftest_that_needs_a_missing_package_says_so(tmp_path: Path) -> None:
    files = {"conftest.py": "import nowhere_to_be_found\n", "test_a.py": TREE["test_shop.py"]}
    found = Trees(tmp_path, files).change({"a.py": "x = 1\n"}).run("tests")
    assert (found.status, found.cause) == ("not_run", "dependencies")
    assert "nowhere_to_be_found" in str(found.reason)


def test_pytest_options_that_need_a_plugin_are_dropped(tmp_path: Path) -> None:
    options = {"pytest.ini": "[pytest]\naddopts = --option-of-a-plugin-nobody-has\n"}
    trees = Trees(tmp_path, {**TREE, **options}).change(with_line("x = 1"))
    assert trees.run("tests").numbers["held"] == 1


def test_a_tree_of_the_test_run_is_left_as_it_was(trees: Trees) -> None:
    litter = "\n\ndef test_litter() -> None:\n    open('litter.txt', 'w').close()\n"
    trees.change({"test_shop.py": TREE["test_shop.py"] + litter}).run("tests")
    assert not (trees.head / "litter.txt").exists()


@pytest.mark.parametrize("answer", [None, [], {}, {"status": "great"}, {"status": 1}])
def test_an_unreadable_answer_is_a_gate_that_did_not_run(answer: Any) -> None:
    found = read_answer("lint", answer, required=True)
    assert (found.status, found.required) == ("not_run", True)


def test_an_unknown_gate_did_not_run(trees: Trees) -> None:
    found = trees.change(with_line("x = 1")).run("beauty")
    assert (found.status, found.reason) == ("not_run", "There is no gate beauty.")


@pytest.mark.parametrize(
    ("cause", "packages_missing", "excused"),
    [
        ("no_tests", False, True),
        ("dependencies", False, True),
        ("unrunnable", True, True),
        ("none_passed", True, True),
        ("unrunnable", False, False),
        ("none_passed", False, False),
        ("time", True, False),
        ("memory", False, False),
        ("disk", False, False),
        ("too_large", False, False),
        ("crashed", True, False),
        (None, True, False),
    ],
)
def test_only_missing_tests_or_packages_excuse_tests_that_did_not_run(
    cause: str | None, packages_missing: bool, excused: bool
) -> None:
    gate = mark_not_run("tests", "A reason.", required=True, cause=cause)
    assert is_excused(gate, packages_missing=packages_missing) is excused
    assert advise(gate)


def test_another_gate_that_did_not_run_leaves_the_score_open() -> None:
    gate = mark_not_run("lint", "A reason.", required=True)
    assert is_excused(gate, packages_missing=False)


@pytest.mark.parametrize(
    ("limit", "cause", "words"),
    [
        ("wall", "time", "did not end within 9 s"),
        ("memory", "memory", "more than 300 MB of memory"),
        ("disk", "disk", "wrote more than 70 MB"),
        ("output", "output", "printed more than 4 MB"),
        (None, "crashed", "ended the sandbox they ran in"),
    ],
)
def test_a_sandbox_that_ends_under_the_tests_names_their_limit(
    limit: str | None, cause: str, words: str
) -> None:
    refusal = ToolFailed("exit code 1", details={"limit": limit})
    limits = Limits(wall_s=9, memory_mb=300, disk_mb=70)
    gate = read_breakdown(refusal, limits, required=True)
    assert (gate.status, gate.required, gate.cause) == ("not_run", True, cause)
    assert words in str(gate.reason)


def test_only_a_required_failure_blocks() -> None:
    failed = read_answer("lint", {"status": "failed"}, required=True)
    optional = read_answer("duplication", {"status": "failed"}, required=False)
    silent = mark_not_run("tests", "No tests.", required=True)
    assert list_blocking([failed, optional, silent]) == [failed]


def test_a_project_may_ask_for_more_gates() -> None:
    assert "coverage" not in list_required_gates(LINT_AUTOFIX)
    asked = {"require_tests": True, "min_test_coverage": 80, "security_scan": True}
    assert list_required_gates(LINT_AUTOFIX, asked) == {
        "lint", "security", "tampering", "tests", "coverage",
    }  # fmt: skip
