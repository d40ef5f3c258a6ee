"""Data keys of tenants, the sealed audit chain, consents."""

from leanvibe_server.migrations.sql import grant, isolate, run

revision = "0010"
down_revision = "0009"

KEYS = """
CREATE TABLE data_keys (
    tenant_id uuid NOT NULL, version int NOT NULL CHECK (version > 0),
    wrapped bytea, wrapped_by text NOT NULL,
    created_at timestamptz NOT NULL, retired_at timestamptz, destroyed_at timestamptz,
    PRIMARY KEY (tenant_id, version),
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);
CREATE UNIQUE INDEX data_keys_current ON data_keys (tenant_id)
    WHERE retired_at IS NULL AND destroyed_at IS NULL;
"""


def upgrade() -> None:
    run(KEYS)
    isolate("data_keys")
    grant("data_keys", "SELECT, INSERT, UPDATE", "app")
    grant("data_keys", "SELECT, INSERT, UPDATE, DELETE", "platform")
