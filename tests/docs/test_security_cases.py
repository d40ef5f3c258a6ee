"""Every security case has its test, and the page of cases says what the tests say."""

from tests import security_cases


def test_every_case_has_a_test_or_a_reason_why_it_cannot_happen_here() -> None:
    found = security_cases.find_tests()
    missing = [
        one
        for one in security_cases.known_ids()
        if one not in found and one not in security_cases.NOT_APPLICABLE
    ]
    assert missing == []
    assert not set(security_cases.NOT_APPLICABLE) & set(found)


def test_the_page_of_cases_is_that_of_the_tests() -> None:
    assert security_cases.PAGE.read_text() == security_cases.page(), (
        "run `python -m tests.security_cases`"
    )
