"""Money: whole minor units of a currency, rounded in this one place."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

Cents = int


@dataclass(frozen=True)
class Money:
    """An amount in minor units (cents for USD) with its ISO 4217 code."""

    amount: Cents
    currency: str

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(self.amount + other.amount, self.currency)


def round_to_minor(amount: Decimal) -> Cents:
    """A fraction of minor units as whole ones: half away from zero."""
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))
