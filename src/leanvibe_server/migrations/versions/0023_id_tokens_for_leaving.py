"""ID tokens, sealed, for the sign-out at the provider that gave them."""

from leanvibe_server.migrations.sql import grant, isolate, run

revision = "0023"
down_revision = "0022"

TABLES = """
-- The latest of each person and session at a provider, while they are signed in by it.
CREATE TABLE oidc_id_tokens (
    tenant_id uuid NOT NULL, id uuid NOT NULL, user_id uuid NOT NULL, provider_id uuid NOT NULL,
    remote_session text NOT NULL, id_token_sealed bytea NOT NULL, created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, user_id, provider_id, remote_session),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, provider_id) REFERENCES sso_providers (tenant_id, id)
        ON DELETE CASCADE
);
"""


def upgrade() -> None:
    run(TABLES)
    isolate("oidc_id_tokens")
    grant("oidc_id_tokens", "SELECT, INSERT, UPDATE, DELETE", "app", "platform")
