"""Money."""

Cents = int
"""An amount in whole minor units of its currency."""
