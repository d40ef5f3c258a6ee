"""The lint_autofix recipe: safe fixes under the repository's rules, and nothing beside them."""

from pathlib import Path

import pytest

from leanvibe_server.engine.recipes import LINT_AUTOFIX, list_required_gates
from leanvibe_server.launch import sample_project
from tests.engine.programs import (
    find_lint,
    lay_out,
    make_diff,
    read_tree,
    run_gate,
    run_program,
    run_recipe,
    run_tests,
)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "sample", sample_project.files())


def test_the_sample_s_findings_are_fixed_and_counted(sample: Path) -> None:
    before = read_tree(sample)
    answers = run_recipe("lint_autofix", sample, {})
    assert answers["code"]["fixed"] == {"F401": 1, "F541": 1, "I001": 1}
    assert answers["code"]["numbers"] == {"found": 3, "fixed": 3, "remaining": 0}
    assert answers["code"]["files"] == [{"path": "app/main.py", "action": "changed"}]
    assert [answers[step]["changed"] for step in ("tests", "docs")] == [False, False]
    after = read_tree(sample)
    assert {path for path in after if after[path] != before.get(path)} == {"app/main.py"}
    assert find_lint(sample) == ""
    assert run_tests(sample).returncode == 0


def test_a_file_whose_name_is_a_finding_is_fixed_and_passes_the_gates(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": "[project]\nname = 'app'\nversion = '1'\n",
        "app/__init__.py": "",
        "app/my-script.py": "import os\nimport sys\n\nprint(sys.version)\n",
        "test_app.py": "import app\n\n\ndef test_app():\n    assert app.__name__ == 'app'\n",
    }
    base, head = lay_out(tmp_path / "base", files), lay_out(tmp_path / "head", files)
    (tmp_path / "scratch").mkdir()
    answer = run_recipe("lint_autofix", head, {})["code"]
    assert (answer["fixed"], answer["remaining"]) == ({"F401": 1}, {"N999": 1})
    assert answer["summary"] == "Fixed 1 of 2 findings in 1 file; 1 remains."
    diff = make_diff(base, head, tmp_path / "scratch")
    ran = [run_gate(name, base, head, diff) for name in sorted(list_required_gates(LINT_AUTOFIX))]
    assert {one.name: (one.status, one.reason) for one in ran} == {
        one.name: ("passed", None) for one in ran
    }
    assert {"lint", "tests"} <= {one.name for one in ran}


def test_findings_without_a_safe_fix_are_told_by_their_number(tmp_path: Path) -> None:
    tree = lay_out(tmp_path, {"ruff.toml": "lint.select = ['F841']\n"})
    lay_out(tree, {"a.py": "def f():\n    a = len('x')\n"})
    summary = run_program("lint_autofix", tree, {"step": "code"})["summary"]
    assert summary == "There is nothing to fix: 1 finding has no safe fix."
    lay_out(tree, {"a.py": "def f():\n    a = len('x')\n    b = len('y')\n"})
    summary = run_program("lint_autofix", tree, {"step": "code"})["summary"]
    assert summary == "There is nothing to fix: 2 findings have no safe fix."


def test_a_second_run_finds_nothing_to_do(sample: Path) -> None:
    run_recipe("lint_autofix", sample, {})
    before = read_tree(sample)
    answer = run_program("lint_autofix", sample, {"step": "code"})
    assert (answer["changed"], answer["code"]) == (False, "nothing_to_do")
    assert "nothing to fix" in answer["summary"]
    assert read_tree(sample) == before


def test_a_check_tells_whether_there_is_work_and_edits_nothing(sample: Path) -> None:
    before = read_tree(sample)
    assert run_program("lint_autofix", sample, {"step": "check"})["numbers"]["fixed"] == 3
    assert read_tree(sample) == before


def test_only_the_named_rules_and_paths_are_touched(sample: Path) -> None:
    lay_out(sample, {"app/other.py": "import os\n"})
    parameters = {"paths": ["app/main.py"], "rules": ["F401"]}
    answer = run_program("lint_autofix", sample, {"step": "code", "parameters": parameters})
    assert answer["fixed"] == {"F401": 1}
    assert (sample / "app/other.py").read_text() == "import os\n"
    assert 'f"ok"' in (sample / "app/main.py").read_text()


def test_unsafe_fixes_are_left_even_if_the_repository_allows_them(tmp_path: Path) -> None:
    tree = lay_out(
        tmp_path / "tree",
        {
            "ruff.toml": 'unsafe-fixes = true\nfix = true\n[lint]\nselect = ["F"]\n',
            "a.py": "def f():\n    unused = len('x')\n",
        },
    )
    answer = run_program("lint_autofix", tree, {"step": "code"})
    assert (answer["changed"], answer["remaining"]) == (False, {"F841": 1})
    assert "unused = len" in (tree / "a.py").read_text()


@pytest.mark.parametrize(
    ("files", "parameters", "code", "words"),
    [
        ({"ruff.toml": "line-length = 'wide'\n"}, {}, "tool_failed", "ruff could not run"),
        ({"a.py": ""}, {"paths": ["b.py"]}, "unmet", "There is no b.py"),
        ({"a.py": ""}, {"paths": ["../.."]}, "outside", "is not a path of the repository"),
    ],
)
def test_what_can_not_be_done_is_said(
    tmp_path: Path, files: dict[str, str], parameters: dict[str, list[str]], code: str, words: str
) -> None:
    tree = lay_out(tmp_path / "tree", files)
    answer = run_program("lint_autofix", tree, {"step": "code", "parameters": parameters})
    assert (answer["ok"], answer["code"]) == (False, code)
    assert words in answer["message"]


def test_a_module_of_the_repository_does_not_stand_in_for_the_tool(sample: Path) -> None:
    lay_out(sample, {"ruff.py": "raise SystemExit('hijacked')\n"})
    assert run_program("lint_autofix", sample, {"step": "code"})["ok"] is True
