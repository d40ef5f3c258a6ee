"""Legal holds: while one stands, nothing of a person or of the tenant is erased."""

from leanvibe_server.migrations.sql import grant, isolate, run

revision = "0018"
down_revision = "0017"

HOLDS = """
CREATE TABLE legal_holds (
    tenant_id uuid NOT NULL REFERENCES tenants (id), id uuid NOT NULL,
    user_id uuid, -- without one: all of the tenant
    reason text NOT NULL, placed_by uuid, placed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE NULLS NOT DISTINCT (tenant_id, user_id),
    -- What a check forgets, or a race outruns, the database refuses.
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
"""


def upgrade() -> None:
    run(HOLDS)
    isolate("legal_holds")
    grant("legal_holds", "SELECT, INSERT, DELETE", "app", "platform")
