"""Sign-in by OpenID Connect: what is under way, and tokens of logout that came before."""

from leanvibe_server.migrations.sql import grant, isolate, run

revision = "0005"
down_revision = "0004"

FLOWS = """
-- A sign-in under way, from the redirect to the callback. Only the hash of its state is kept; nonce
-- and code verifier are derived from the state itself.
CREATE TABLE oidc_flows (
    tenant_id uuid NOT NULL, id uuid NOT NULL, provider_id uuid NOT NULL,
    state_hash bytea NOT NULL, browser_hash bytea, redirect_uri text NOT NULL,
    next_path text NOT NULL, link_user_id uuid, link_session_id uuid,
    created_at timestamptz NOT NULL, expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, state_hash),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES sso_providers (tenant_id, id)
        ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, link_user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE TABLE oidc_logouts (
    tenant_id uuid NOT NULL, provider_id uuid NOT NULL, token_id text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, provider_id, token_id),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES sso_providers (tenant_id, id)
        ON DELETE CASCADE
);
ALTER TABLE domains ADD COLUMN missing_since timestamptz;
CREATE INDEX sessions_of_provider ON sessions (tenant_id, provider_id, remote_session)
    WHERE provider_id IS NOT NULL AND ended_at IS NULL;
"""


def upgrade() -> None:
    run(FLOWS)
    for table in ("oidc_flows", "oidc_logouts"):
        isolate(table)
        grant(table, "SELECT, INSERT, UPDATE, DELETE", "app", "platform")
