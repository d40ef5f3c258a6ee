"""Deletion with a grace period, and regions."""

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Nothing yet."""
