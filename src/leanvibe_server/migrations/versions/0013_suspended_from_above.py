"""Which organisation above suspended one; none: the platform did."""

from leanvibe_server.migrations.sql import run

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    # No foreign key: what a suspender leaves behind when it is gone lifts nobody's suspension.
    run("ALTER TABLE tenants ADD COLUMN suspended_by uuid")
