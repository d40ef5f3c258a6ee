"""Billing: what this period's use amounts to."""

from __future__ import annotations

from leanvibe._faces import Resource, Runner, endpoint
from leanvibe._operations import Call, reads
from leanvibe.models import BillingUsage


class Billing(Resource[Runner]):
    """The tenant's account."""

    @endpoint
    def get_usage(self) -> Call[BillingUsage]:
        """The use of the current period and what it will cost, in the currency's minor unit."""
        return Call(method="GET", path="/billing/usage", read=reads(BillingUsage))
