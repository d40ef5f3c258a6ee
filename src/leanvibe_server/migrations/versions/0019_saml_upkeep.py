"""Upkeep of SAML: metadata that is read again by itself, letters before certificates end."""

from leanvibe_server.migrations.sql import grant, isolate, run

revision = "0019"
down_revision = "0018"

TABLES = """
-- What came of reading a provider's metadata again, and when that is due.
CREATE TABLE saml_readings (
    tenant_id uuid NOT NULL, provider_id uuid NOT NULL, due_at timestamptz NOT NULL,
    tried_at timestamptz, read_at timestamptz,
    failures integer NOT NULL DEFAULT 0, error text,
    PRIMARY KEY (tenant_id, provider_id),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES sso_providers (tenant_id, id)
        ON DELETE CASCADE
);
-- Of which end people were told, and how many days before.
CREATE TABLE saml_reminders (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE, subject text NOT NULL,
    days integer NOT NULL, sent_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, subject, days)
);
"""


def upgrade() -> None:
    run(TABLES)
    for table in ("saml_readings", "saml_reminders"):
        isolate(table)
        grant(table, "SELECT, INSERT, UPDATE, DELETE", "app", "platform")
