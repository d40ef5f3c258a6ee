"""Regions with the directory of who lives where, and the deletion of tenants."""

from leanvibe_server.migrations.sql import every_row, grant, run

revision = "0009"
down_revision = "0008"

# Both are kept in the home region only; in the other databases they stay empty.
DIRECTORIES = """
CREATE TABLE tenant_directory (
    tenant_id uuid PRIMARY KEY, slug text NOT NULL UNIQUE,
    region text, -- NULL: this very database
    claimed_at timestamptz NOT NULL,
    settled_at timestamptz, -- when its rows were seen in its region
    deleted_at timestamptz -- all that is left of a tenant that was deleted
);
INSERT INTO tenant_directory (tenant_id, slug, claimed_at, settled_at)
    SELECT id, slug, created_at, created_at FROM tenants;
-- Where people of other regions sign in: nothing of a person but a keyed hash.
CREATE TABLE remote_directory (
    tenant_id uuid NOT NULL REFERENCES tenant_directory (tenant_id) ON DELETE CASCADE,
    user_id uuid NOT NULL, account_id uuid NOT NULL, email_hash bytea NOT NULL,
    noted_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
);
CREATE INDEX remote_directory_by_email ON remote_directory (email_hash);
CREATE INDEX remote_directory_by_account ON remote_directory (account_id);
"""

# A tenant that is to be deleted keeps its rows until `deletes_at`, and can be restored until then.
DELETION = """
ALTER TABLE tenants
    DROP CONSTRAINT tenants_status_check,
    ADD CONSTRAINT tenants_status_check CHECK (status IN ('active', 'suspended', 'deleting')),
    ADD COLUMN deletes_at timestamptz,
    ADD CHECK ((status = 'deleting') = (deletes_at IS NOT NULL));
"""


def upgrade() -> None:
    run(DELETION)
    with every_row("tenants"):
        run(DIRECTORIES)
    for table in ("tenant_directory", "remote_directory"):
        # Read before a tenant is known, by the platform login alone.
        grant(table, "SELECT, INSERT, UPDATE, DELETE", "platform")
