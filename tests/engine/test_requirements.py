"""What a project says it needs, read from its files without running any of them."""

import pytest

from leanvibe_server.engine.requirements import (
    DependenciesUnavailable,
    Needs,
    collect_needs,
    satisfied_by_toolbox,
)


def test_requirements_files_follow_their_includes_and_constraints() -> None:
    needs = collect_needs(
        {
            "requirements.txt": "FastAPI>=0.100  # edge\n-r requirements/base.txt\n-e .\n./here\n",
            "requirements-dev.txt": "pytest \\\n >= 7\n-c constraints.txt\n--index-url https://x\n",
            "requirements/base.txt": "six==1.17.0 --hash=sha256:00\n",
            "requirements/docs.txt": "sphinx\n",
            "constraints.txt": "idna<4\n",
        }
    )
    assert needs == Needs(("fastapi>=0.100", "pytest>=7", "six==1.17.0"), ("idna<4",))


def test_pyproject_gives_dependencies_and_its_test_groups() -> None:
    text = """
[project]
name = "mine"
dependencies = ["httpx[http2]", "tomli; python_version < '3.11'"]
[project.optional-dependencies]
test = ["pytest", "mine[extra]"]
docs = ["sphinx"]
[dependency-groups]
dev = ["hypothesis", {include-group = "lint"}]
lint = ["ruff"]
"""
    needs = collect_needs({"pyproject.toml": text})
    assert needs.requirements == ("httpx[http2]", "hypothesis", "pytest", "ruff")


def test_poetrys_versions_are_understood() -> None:
    text = """
[tool.poetry.dependencies]
python = "^3.11"
a = "^1.2.3"
b = "~2.1"
c = "*"
d = {version = "^0.3", extras = ["x"]}
e = "1.5"
[tool.poetry.group.dev.dependencies]
pytest = ">=7"
"""
    needs = collect_needs({"pyproject.toml": text})
    assert set(needs.requirements) == {
        *("a<2,>=1.2.3", "b==2.1.*,>=2.1", "c", "d[x]<0.4,>=0.3", "e==1.5", "pytest>=7"),
    }


@pytest.mark.parametrize(
    "line",
    ["x @ https://example.com/x.whl", "git+https://example.com/x", "x @ git+ssh://h/x", "no such"],
)
def test_what_no_index_can_give_is_refused_with_a_reason(line: str) -> None:
    with pytest.raises(DependenciesUnavailable) as caught:
        collect_needs({"requirements.txt": line})
    assert caught.value.reason


def test_a_broken_pyproject_is_a_reason() -> None:
    with pytest.raises(DependenciesUnavailable, match=r"pyproject\.toml"):
        collect_needs({"pyproject.toml": "[project"})


def test_files_that_include_each_other_come_to_an_end() -> None:
    assert collect_needs({"requirements.txt": "-r requirements.txt\npytest"}).requirements


@pytest.mark.parametrize(
    ("line", "here"),
    [
        ("pytest", True),
        ("fastapi>=0.1", True),
        ("fastapi>=999", False),
        ("no-such-package-here", False),
        ("no-such-package-here; sys_platform == 'win32'", True),
        ("sqlalchemy[asyncio]", True),
        ("sqlalchemy[oracle]", False),
    ],
)
def test_the_toolbox_counts_where_it_is_what_was_asked_for(line: str, here: bool) -> None:
    assert satisfied_by_toolbox([line]) is here
