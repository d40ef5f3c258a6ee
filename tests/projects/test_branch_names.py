"""A project takes the branch names that git takes, and no others."""

import pytest
from pydantic import TypeAdapter, ValidationError

from leanvibe_server.projects.schemas import BranchName

NAMES = TypeAdapter(BranchName)


@pytest.mark.parametrize("name", ["main", "release/1.2", "a-b_c", "x" * 200])
def test_names_that_git_takes_are_taken(name: str) -> None:
    assert NAMES.validate_python(name) == name


@pytest.mark.parametrize(
    "name", ["", "a..b", "a/", "a//b", "a.lock", "a/.b", "-a", "a.", "a b", "a~1", "x" * 201]
)
def test_names_that_git_refuses_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        NAMES.validate_python(name)
