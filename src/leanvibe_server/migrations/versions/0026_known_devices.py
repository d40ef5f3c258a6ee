"""Devices that people signed in from, so that they hear of a new one."""

from leanvibe_server.migrations.sql import grant, isolate, run

revision = "0026"
down_revision = "0025"

TABLES = """
CREATE TABLE known_devices (
    tenant_id uuid NOT NULL, user_id uuid NOT NULL, mark bytea NOT NULL,
    first_seen_at timestamptz NOT NULL, last_seen_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id, mark),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
"""


def upgrade() -> None:
    run(TABLES)
    isolate("known_devices")
    grant("known_devices", "SELECT, INSERT, UPDATE, DELETE", "app", "platform")
