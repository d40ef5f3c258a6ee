"""Mail that could not be delivered, with the reason."""

from leanvibe_server.migrations.sql import run

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run("ALTER TABLE outgoing_mail ADD COLUMN failed_at timestamptz, ADD COLUMN failure text")
