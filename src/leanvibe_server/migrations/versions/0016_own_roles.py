"""The role somebody has by themselves, kept while their groups give them another."""

from leanvibe_server.migrations.sql import run

revision = "0016"
down_revision = "0015"

OWN_ROLES = """
ALTER TABLE users
    -- Set while a group gives the role: what the person was before, and until when.
    ADD COLUMN own_role text,
    ADD COLUMN own_expires_at timestamptz;
"""


def upgrade() -> None:
    run(OWN_ROLES)
