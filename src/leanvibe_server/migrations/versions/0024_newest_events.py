"""The audit log over all tenants, newest first, without sorting every entry there is."""

from leanvibe_server.migrations.sql import run

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    # Of the platform login, which reads by time across tenants. Ids grow with the time, so that
    # each new one is appended at the end.
    run("CREATE INDEX events_newest ON events (id) WHERE audited")
