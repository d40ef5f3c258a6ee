"""How a session was proved, a tenant's security policy, identity providers and domains."""

from leanvibe_server.migrations.sql import every_row, grant, isolate, run

revision = "0002"
down_revision = "0001"

PROOFS = """
ALTER TABLE sessions
    ADD COLUMN amr text[] NOT NULL DEFAULT '{{}}',
    ADD COLUMN authenticated_at timestamptz,
    ADD COLUMN provider_id uuid,
    ADD COLUMN remote_session text;
UPDATE sessions SET authenticated_at = created_at, amr = '{{pwd}}';
ALTER TABLE sessions ALTER COLUMN authenticated_at SET NOT NULL;
ALTER TABLE tenants ADD COLUMN security jsonb NOT NULL DEFAULT '{{}}';
"""

PROVIDERS = """
CREATE TABLE sso_providers (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE, id uuid NOT NULL,
    protocol text NOT NULL CHECK (protocol IN ('oidc', 'saml')),
    type text NOT NULL, slug text NOT NULL, name text NOT NULL, enabled boolean NOT NULL,
    issuer text NOT NULL, client_id text, client_secret_sealed bytea,
    configuration jsonb NOT NULL, default_role text NOT NULL, role_mapping jsonb NOT NULL,
    created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, slug)
);
CREATE TABLE federated_identities (
    tenant_id uuid NOT NULL, id uuid NOT NULL, provider_id uuid NOT NULL,
    subject text NOT NULL, user_id uuid NOT NULL, email text,
    created_at timestamptz NOT NULL, last_login_at timestamptz,
    PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, provider_id, subject),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES sso_providers (tenant_id, id)
        ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX federated_identities_of_user ON federated_identities (tenant_id, user_id);
CREATE TABLE domains (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE, id uuid NOT NULL,
    domain text NOT NULL, challenge text NOT NULL, created_at timestamptz NOT NULL,
    verified_at timestamptz, checked_at timestamptz,
    PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, domain)
);
-- One tenant at most has proved a domain; read before a tenant is known, by the platform login.
CREATE UNIQUE INDEX domains_verified ON domains (domain) WHERE verified_at IS NOT NULL;
"""

FULL = "SELECT, INSERT, UPDATE, DELETE"


def upgrade() -> None:
    with every_row("sessions"):
        run(PROOFS)
    run(PROVIDERS)
    for table in ("sso_providers", "federated_identities", "domains"):
        isolate(table)
        grant(table, FULL, "app", "platform")
