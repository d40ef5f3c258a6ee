"""Keys by which this installation proves itself at providers of OpenID Connect."""

from leanvibe_server.migrations.sql import grant, isolate, run

revision = "0022"
down_revision = "0021"

TABLES = """
-- One in use for each provider and, before a change, the next one.
CREATE TABLE oidc_client_keys (
    tenant_id uuid NOT NULL, id uuid NOT NULL, provider_id uuid NOT NULL,
    private_key_sealed bytea NOT NULL, certificate bytea NOT NULL,
    created_at timestamptz NOT NULL, activated_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES sso_providers (tenant_id, id)
        ON DELETE CASCADE
);
CREATE UNIQUE INDEX oidc_client_keys_in_use ON oidc_client_keys (tenant_id, provider_id)
    WHERE activated_at IS NOT NULL;
CREATE UNIQUE INDEX oidc_client_keys_next ON oidc_client_keys (tenant_id, provider_id)
    WHERE activated_at IS NULL;
"""


def upgrade() -> None:
    run(TABLES)
    isolate("oidc_client_keys")
    grant("oidc_client_keys", "SELECT, INSERT, UPDATE, DELETE", "app", "platform")
