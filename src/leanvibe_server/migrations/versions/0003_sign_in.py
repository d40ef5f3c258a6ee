"""Sign-in with passwords: history, resets, known devices."""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Nothing yet."""
