"""The characterisation_tests recipe: real behaviour observed, written down, and coverage raised."""

from pathlib import Path
from typing import Any

import pytest

from leanvibe_server.engine.sandbox import Limits, Sandbox, run_inside
from leanvibe_server.launch import sample_project
from tests.engine.programs import (
    find_lint,
    lay_out,
    read_tree,
    run_program,
    run_recipe,
    run_tests,
)

CART = """\
import os
import random
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

COUNTER = 0


@dataclass
class Line:
    name: str
    quantity: int = 1
    price: Decimal = Decimal("1")

    @property
    def total(self) -> Decimal:
        if self.quantity > 10:
            return self.price * self.quantity * Decimal("0.9")
        return self.price * self.quantity


@dataclass
class Cart:
    lines: list[Line] = field(default_factory=list)

    def label(self, upper: bool = False) -> str:
        if not self.lines:
            return "empty"
        return "FULL" if upper else "full"


def greet(name: str | None = None) -> str:
    if name is None:
        return "hello"
    if not name:
        raise ValueError("empty")
    return "hello " + name


def rate(total: float, members: list[str]) -> float:
    if not members:
        return 0.0
    return total / len(members)


def shelf(size: int) -> set[str]:
    return {"s", "m"} if size < 3 else {"l", "xl", "xxl"}


def now_label() -> str:
    return datetime.now().isoformat()


def pick(items: list[int]) -> int:
    return random.choice(items)


def home() -> str:
    return os.environ["HOME"]


def read(path: str) -> str:
    with open(path) as file:
        return file.read()


def hidden_read(path: str) -> str:
    return read(path)


def forever(n: int) -> int:
    while True:
        n += 1


def count() -> int:
    global COUNTER
    COUNTER += 1
    return COUNTER


class Opaque:
    pass


def make() -> Opaque:
    return Opaque()


def take(opaque: Opaque) -> bool:
    return bool(opaque)


async def later() -> int:
    return 1
"""
LAST_WORD = """\
import os


def leave(code: int) -> int:
    if code > 3:
        os._exit(3)
    return code


def stay(code: int) -> int:
    if code > 7:
        return 7
    return code
"""


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "sample", sample_project.files())


def test_the_untested_module_of_the_sample_is_found_and_covered(sample: Path) -> None:
    before = read_tree(sample)
    answers = run_recipe("characterisation", sample, {})
    assert [answers[step]["changed"] for step in ("code", "tests", "docs")] == [False, True, False]
    answer = answers["tests"]
    assert answer["module"] == "app.pricing"
    assert answer["files"] == [
        {"path": "tests/test_pricing_characterisation.py", "action": "created"}
    ]
    assert answer["numbers"]["branch_coverage_before"] == 0.0
    assert answer["numbers"]["branch_coverage_after"] == 1.0
    after = read_tree(sample)
    assert set(after) - set(before) == {"tests/test_pricing_characterisation.py"}
    assert all(after[path] == before[path] for path in before)
    text = (sample / "tests/test_pricing_characterisation.py").read_text()
    assert text.startswith('"""Characterisation of app.pricing')
    assert find_lint(sample, "tests") == ""
    assert run_tests(sample).returncode == 0
    pricing = sample / "app/pricing.py"
    pricing.write_text(pricing.read_text().replace("percent = 10", "percent = 11"))
    assert run_tests(sample, "tests/test_pricing_characterisation.py").returncode == 1


def test_only_what_is_repeatable_is_pinned_and_the_rest_has_a_reason(tmp_path: Path) -> None:
    tree = lay_out(tmp_path / "shop", {"src/shop/__init__.py": "", "src/shop/cart.py": CART})
    answer = run_recipe("characterisation", tree, {"module": "src/shop/cart.py"})["tests"]
    assert answer["ok"], answer
    text = (tree / "tests/test_cart_characterisation.py").read_text()
    for tested in ("greet(", "rate(", "shelf(", "Line(", "Cart("):
        assert tested in text
    assert "pytest.approx(" in text
    reasons = {one["function"]: one["reason"] for one in answer["skipped"]}
    assert reasons == {
        "now_label": "it touches the clock",
        "pick": "it uses random",
        "home": "it uses os",
        "read": "it touches files",
        "hidden_read": "it calls read: it touches files",
        "forever": "it touches too much time",
        "count": "it changes module state",
        "make": "no input covers anything new",
        "take": "opaque: no values are known for Opaque",
        "later": "it is asynchronous",
    }


def test_the_same_tree_gives_the_same_tests(tmp_path: Path) -> None:
    texts = []
    for name in ("one", "two"):
        tree = lay_out(tmp_path / name, {"helpers.py": CART[CART.index("def greet") :]})
        assert run_program("characterisation", tree, {"step": "tests"})["ok"]
        texts.append((tree / "tests/test_helpers_characterisation.py").read_text())
    assert texts[0] == texts[1]


def test_a_function_that_ends_the_process_costs_only_itself(tmp_path: Path) -> None:
    hidden = LAST_WORD.replace("import os", "from posix import _exit").replace("os._exit", "_exit")
    tree = lay_out(tmp_path / "tree", {"odd.py": hidden})
    answer = run_program("characterisation", tree, {"step": "tests"})
    assert answer["ok"], answer
    assert answer["skipped"] == [{"function": "leave", "reason": "running it ended the process"}]
    assert "stay(" in (tree / "tests/test_odd_characterisation.py").read_text()


@pytest.mark.parametrize(
    ("files", "module", "code", "words"),
    [
        ({"a.py": "X = 1\n"}, None, "nothing_to_raise", "No module's coverage can be raised"),
        ({"README.md": "#"}, None, "unmet", "There is no Python module"),
        ({"a.py": "X = 1\n"}, "b.py", "unmet", "There is no module b.py"),
        ({"x/a.py": "", "y/a.py": ""}, "a", "unmet", "may be any of x.a, y.a"),
        ({"a.py": "def f(:\n"}, "a.py", "failed", "could not be measured"),
        (
            {"a.py": "import nothing_here\n\ndef f(x: int) -> int:\n    return x\n"},
            "a",
            "failed",
            "can't be imported",
        ),
        (
            {"a.py": "import os\n\ndef f() -> str:\n    return os.getcwd()\n"},
            "a",
            "nothing_to_raise",
            "f: it uses os",
        ),
    ],
)
def test_where_nothing_can_be_raised_it_says_why(
    tmp_path: Path, files: dict[str, str], module: str | None, code: str, words: str
) -> None:
    tree = lay_out(tmp_path / "tree", files)
    before = read_tree(tree)
    parameters: dict[str, Any] = {"module": module} if module else {}
    answer = run_program("characterisation", tree, {"step": "tests", "parameters": parameters})
    assert (answer["ok"], answer["code"]) == (False, code), answer
    assert words in answer["message"]
    assert read_tree(tree) == before


async def test_it_works_inside_the_sandbox(room: Path, sandbox: Sandbox) -> None:
    (room / "shop.py").write_text(CART.partition("def now_label")[0])
    answer = await run_inside(
        sandbox,
        "characterisation",
        {"step": "tests", "parameters": {}},
        workspace=room,
        limits=Limits(wall_s=90),
    )
    assert answer["ok"], answer
    assert (room / "tests/test_shop_characterisation.py").exists()
