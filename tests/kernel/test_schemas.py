"""Names are one line that everybody can read."""

from typing import Annotated

import pytest
from pydantic import StringConstraints, TypeAdapter, ValidationError

from leanvibe_server.kernel.schemas import OneLine

NAME = TypeAdapter(Annotated[str, StringConstraints(min_length=1, max_length=20), OneLine])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Orders", "Orders"),
        ("a\nb", "a b"),
        ("a\x1b[31mRED\x07", "a [31mRED"),
        ("\u202elive", "live"),
        ("Zoë 日本", "Zoë 日本"),
    ],
)
def test_a_name_becomes_one_readable_line(given: str, kept: str) -> None:
    assert NAME.validate_python(given) == kept


@pytest.mark.parametrize("given", ["", " ", "\u200b", "\u202e", "\n\t", "\ufeff", 7])
def test_a_name_that_nobody_can_see_is_refused(given: object) -> None:
    with pytest.raises(ValidationError):
        NAME.validate_python(given)
