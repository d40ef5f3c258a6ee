"""The filter language: what is written is read, and nothing breaks the reader."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanvibe_server.identity.scim.conditions import GROUPS, USERS, Condition
from leanvibe_server.identity.scim.filters import (
    OPERATORS,
    Both,
    Compare,
    Either,
    Node,
    Not,
    Present,
    Within,
    parse_filter,
)
from leanvibe_server.identity.scim.patching import fulfils
from leanvibe_server.kernel.errors import InvalidRequest

NAMES = st.sampled_from(
    ["userName", "emails.value", "active", "meta.created", "title", "nonsense", "groups"]
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
VALUES = st.one_of(st.booleans(), st.none(), st.integers(-(10**6), 10**6), TEXTS)
LEAVES = st.one_of(
    st.builds(Present, NAMES), st.builds(Compare, NAMES, st.sampled_from(sorted(OPERATORS)), VALUES)
)
TREES: st.SearchStrategy[Node] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(lambda parts: Both(tuple(parts)), st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda parts: Either(tuple(parts)), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=8,
)


def write(node: Node) -> str:
    """A filter that says what a tree says."""
    match node:
        case Both(parts):
            return " and ".join(f"({write(part)})" for part in parts)
        case Either(parts):
            return " or ".join(f"({write(part)})" for part in parts)
        case Not(of):
            return f"not ({write(of)})"
        case Within(path, condition):
            return f"{path}[{write(condition)}]"
        case Present(path):
            return f"{path} pr"
        case Compare(path, operator, value):
            return f"{path} {operator} {_literal(value)}"


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)


@given(TREES)
def test_what_is_written_is_read(tree: Node) -> None:
    assert parse_filter(write(tree)) == tree


@given(st.one_of(st.text(max_size=300), st.text(alphabet='()[]" \\aeqnotrd.:-0', max_size=200)))
def test_any_text_is_read_or_refused(text: str) -> None:
    for vocabulary in (USERS, GROUPS):
        try:
            condition = Condition(vocabulary, first=2)
            sql = condition.of(parse_filter(text))
        except InvalidRequest as refusal:
            assert refusal.details["scimType"] == "invalidFilter"  # noqa: PT017  # either is right
        else:
            assert sql.count("$") == len(condition.parameters)


@given(TREES)
def test_no_value_becomes_part_of_the_statement(tree: Node) -> None:
    condition = Condition(USERS, first=2)
    try:
        sql = condition.of(tree)
    except InvalidRequest:
        return
    for value in condition.parameters:
        if isinstance(value, str) and len(value) > 3 and not value.isalnum():
            assert value not in sql


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ('type eq "work"', True),
        ('type ne "work"', False),
        ('type eq "WORK" and primary eq true', True),
        ('primary eq "True"', True),
        ('value co "@" and not (type eq "home")', True),
        ('value sw "b" or value ew "example"', True),
        ("display pr", False),
        ('value gt "z"', False),
    ],
)
def test_a_condition_chooses_among_values(text: str, right: bool) -> None:
    value = {"type": "work", "value": "a@b.example", "primary": True}
    assert fulfils(parse_filter(text), value) is right


def test_and_binds_closer_than_or() -> None:
    first, second, third = Present("a"), Present("b"), Present("c")
    assert parse_filter("a pr or b pr and c pr") == Either((first, Both((second, third))))
