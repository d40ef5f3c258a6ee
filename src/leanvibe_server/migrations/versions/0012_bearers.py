"""Whose an account is: since when its password is one that the bearer of the address has set."""

from leanvibe_server.migrations.sql import run

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run("ALTER TABLE users ADD COLUMN owned_at timestamptz")
