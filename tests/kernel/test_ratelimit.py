"""The bucket of a tenant: so many calls a minute, so many at once."""

from hypothesis import given
from hypothesis import strategies as st

from leanvibe_server.kernel.ratelimit import Rate, RateLimiter

DEVELOPER = Rate(per_minute=100, burst=200)


def test_a_full_bucket_lets_the_burst_through_and_not_one_more() -> None:
    limiter = RateLimiter()
    passed = [limiter.take("a", DEVELOPER, 1000.0).allowed for _ in range(201)]
    assert passed == [True] * 200 + [False]


def test_remaining_counts_down_to_nothing_and_says_when_to_come_back() -> None:
    limiter = RateLimiter()
    first = limiter.take("a", DEVELOPER, 1000.0)
    assert first.remaining == 199
    for _ in range(199):
        last = limiter.take("a", DEVELOPER, 1000.0)
    assert last.remaining == 0
    refused = limiter.take("a", DEVELOPER, 1000.0)
    assert 0 < refused.retry_after_s <= 0.6
    assert limiter.take("a", DEVELOPER, 1000.0 + refused.retry_after_s).allowed


def test_one_tenant_at_ten_times_its_rate_takes_nothing_from_another() -> None:
    limiter = RateLimiter()
    for _ in range(2000):
        limiter.take("noisy", DEVELOPER, 1000.0)
    assert limiter.take("quiet", DEVELOPER, 1000.0).remaining == 199


@given(
    gaps=st.lists(st.floats(0, 5, allow_nan=False), min_size=1, max_size=300),
    rate=st.builds(Rate, per_minute=st.integers(1, 600), burst=st.integers(1, 50)),
)
def test_no_span_of_time_ever_passes_more_than_the_burst_and_the_rate(
    gaps: list[float], rate: Rate
) -> None:
    limiter = RateLimiter()
    now, passed = 1000.0, 0
    for gap in gaps:
        now += gap
        passed += limiter.take("a", rate, now).allowed
    assert passed <= rate.burst + (now - 1000.0) * rate.per_minute / 60 + 1


def test_memory_stays_bounded_when_addresses_never_repeat() -> None:
    limiter = RateLimiter(max_keys=100)
    for number in range(10_000):
        limiter.take(f"address {number}", DEVELOPER, 1000.0 + number)
    assert len(limiter._arrival) <= 100
