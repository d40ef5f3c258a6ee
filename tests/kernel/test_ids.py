"""Identifiers sort by the time they were made."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.ids import new_id, parse_id

MOMENT = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001  (hypothesis adds the zone)
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(MOMENT)
def test_an_id_is_a_uuid_of_version_seven(moment: datetime) -> None:
    made = new_id(moment)
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert made.int >> 80 == int(moment.timestamp() * 1000)


@given(MOMENT, st.integers(1, 10**9))
def test_a_later_id_sorts_after_an_earlier_one(moment: datetime, milliseconds: int) -> None:
    assert new_id(moment) < new_id(moment + timedelta(milliseconds=milliseconds + 1))


def test_a_thousand_ids_of_one_millisecond_differ_and_sort_in_the_order_they_were_made() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    made = [new_id(moment) for _ in range(1000)]
    assert made == sorted(set(made))
    assert {one.version for one in made} == {7}


@pytest.mark.parametrize("text", ["", "x", "1", "../../etc", "é" * 40, "0" * 500])
def test_nonsense_is_answered_like_an_id_that_nothing_bears(text: str) -> None:
    with pytest.raises(NotFound):
        parse_id(text)
