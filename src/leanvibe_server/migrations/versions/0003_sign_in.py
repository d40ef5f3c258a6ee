"""Sign-in with passwords: earlier passwords, links sent by mail, and when a count began."""

from leanvibe_server.migrations.sql import grant, isolate, run

revision = "0003"
down_revision = "0002"

TABLES = """
CREATE TABLE password_history (
    tenant_id uuid NOT NULL, id uuid NOT NULL, user_id uuid NOT NULL,
    password_hash text NOT NULL, replaced_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX password_history_of_user ON password_history (tenant_id, user_id, id);
CREATE TABLE mail_links (
    tenant_id uuid NOT NULL, id uuid NOT NULL, user_id uuid NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('reset', 'verify', 'email')),
    token_hash bytea NOT NULL, email text NOT NULL,
    created_at timestamptz NOT NULL, expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, token_hash),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX mail_links_of_user ON mail_links (tenant_id, user_id);
ALTER TABLE login_failures ADD COLUMN began_at timestamptz;
UPDATE login_failures SET began_at = last_failed_at;
ALTER TABLE login_failures ALTER COLUMN began_at SET NOT NULL;
"""

FULL = "SELECT, INSERT, UPDATE, DELETE"


def upgrade() -> None:
    run(TABLES)
    for table in ("password_history", "mail_links"):
        isolate(table)
        grant(table, FULL, "app", "platform")
