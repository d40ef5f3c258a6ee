"""Words of the answers that depend on a number."""

from __future__ import annotations


def count_of(number: int, one: str, many: str) -> str:
    """The number with the words that go with it: "1 finding", "2 findings", "0 findings"."""
    return f"{number} {one if number == 1 else many}"
