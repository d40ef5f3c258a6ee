"""The plans: price facts and limits.

Source: API reference, "Subscription Plans" and "Rate Limiting & Quotas"; architecture overview,
"Subscription Tiers & Quotas".
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from leanvibe_server.kernel.errors import invalid_field
from leanvibe_server.kernel.money import Cents
from leanvibe_server.kernel.ratelimit import Rate
from leanvibe_server.kernel.regions import REGIONS

UNLIMITED = 999_999
UNLIMITED_CALLS = 999_999_999


@dataclass(frozen=True)
class Limits:
    """What a plan allows. Storage in MiB; sessions are those of one user."""

    max_users: int
    max_projects: int
    max_api_calls_per_month: int
    max_storage_mb: int
    max_ai_requests_per_day: int
    max_concurrent_sessions: int
    max_concurrent_tasks: int

    def quotas(self) -> dict[str, int]:
        """The limits the API prints of a tenant."""
        return {
            "max_users": self.max_users,
            "max_projects": self.max_projects,
            "max_api_calls_per_month": self.max_api_calls_per_month,
            "max_storage_mb": self.max_storage_mb,
            "max_ai_requests_per_day": self.max_ai_requests_per_day,
            "max_concurrent_sessions": self.max_concurrent_sessions,
        }


@dataclass(frozen=True)
class Plan:
    """One plan: who it is for, what it costs a month, what it allows."""

    id: UUID
    slug: str
    name: str
    monthly_price: Cents
    trial_days: int
    limits: Limits
    rate: Rate
    benefits: tuple[str, ...]
    features: frozenset[str] = frozenset()
    # Where its tenants may live, beside the home region of the installation.
    regions: tuple[str, ...] = ("us",)


PLANS: dict[str, Plan] = {
    plan.slug: plan
    for plan in (
        Plan(
            id=UUID("00000000-0000-7000-8000-000000000101"),
            slug="developer",
            name="Developer",
            monthly_price=5_000,
            trial_days=14,
            limits=Limits(1, 5, 10_000, 1_024, 100, 2, 2),
            rate=Rate(per_minute=100, burst=200),
            benefits=("10,000 API calls a month", "5 projects", "Email support"),
        ),
        Plan(
            id=UUID("00000000-0000-7000-8000-000000000102"),
            slug="team",
            name="Team",
            monthly_price=20_000,
            trial_days=14,
            limits=Limits(10, 50, 100_000, 10_240, 1_000, 10, 10),
            rate=Rate(per_minute=1_000, burst=2_000),
            benefits=("100,000 API calls a month", "10 users, 50 projects", "OIDC single sign-on"),
            features=frozenset({"oidc"}),
            regions=("us", "eu"),
        ),
        Plan(
            id=UUID("00000000-0000-7000-8000-000000000103"),
            slug="enterprise",
            name="Enterprise",
            monthly_price=80_000,
            trial_days=30,
            limits=Limits(UNLIMITED, UNLIMITED, UNLIMITED_CALLS, 1_048_576, 10_000, 100, 100),
            rate=Rate(per_minute=10_000, burst=20_000),
            benefits=("Unlimited API calls", "SAML and SCIM", "Priority support"),
            features=frozenset({"oidc", "saml", "scim"}),
            regions=REGIONS,
        ),
    )
}
ALIASES = {"starter": "developer", "professional": "team"}


def plans_with(feature: str) -> tuple[str, ...]:
    """The plans that hold a feature."""
    return tuple(slug for slug, plan in PLANS.items() if feature in plan.features)


def plan_of(slug: str) -> Plan:
    """The plan a tenant row names."""
    return PLANS[slug]


def plan_named(name: str) -> Plan:
    """The plan a caller names: by id, slug, `plan-<slug>`, or an older name.

    Raises: InvalidRequest: no plan is called so.
    """
    slug = ALIASES.get(name.removeprefix("plan-"), name.removeprefix("plan-"))
    found = PLANS.get(slug) or next((p for p in PLANS.values() if str(p.id) == name), None)
    if found is None:
        raise invalid_field(
            "plan", f"no plan {name!r}", f"There is no plan {name!r}. Plans are {', '.join(PLANS)}."
        )
    return found


def upgrade_options(slug: str) -> list[dict[str, Any]]:
    """The plans above this one. `monthly_price` in cents."""
    price = PLANS[slug].monthly_price
    return [
        {"plan": plan.slug, "monthly_price": plan.monthly_price, "benefits": list(plan.benefits)}
        for plan in PLANS.values()
        if plan.monthly_price > price
    ]
