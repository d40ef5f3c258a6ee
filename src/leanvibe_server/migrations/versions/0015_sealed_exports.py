"""Exports are encrypted on the disk, each under a key of its own."""

from leanvibe_server.migrations.sql import every_row, run

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    run("ALTER TABLE privacy_exports ADD COLUMN file_key_sealed bytea")
    with every_row("privacy_exports"):
        # Those before were plain files: the next sweep removes them.
        run("UPDATE privacy_exports SET expires_at = ready_at WHERE status = 'ready'")
