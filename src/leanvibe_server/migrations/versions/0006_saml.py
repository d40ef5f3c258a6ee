"""Sign-in by SAML: our keys, what is under way, what has been seen, and who signed in where."""

from leanvibe_server.migrations.sql import grant, isolate, run

revision = "0006"
down_revision = "0005"

TABLES = """
-- A tenant's key pair as a service provider: next, in use, or kept to decrypt what is under way.
CREATE TABLE saml_keys (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE, id uuid NOT NULL,
    private_key_sealed bytea NOT NULL, certificate bytea NOT NULL,
    created_at timestamptz NOT NULL, activated_at timestamptz, retires_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX saml_keys_in_use ON saml_keys (tenant_id)
    WHERE activated_at IS NOT NULL AND retires_at IS NULL;
CREATE UNIQUE INDEX saml_keys_next ON saml_keys (tenant_id) WHERE activated_at IS NULL;
-- A request under way. Its handle comes back as RelayState; only the hash is kept.
CREATE TABLE saml_requests (
    tenant_id uuid NOT NULL, id uuid NOT NULL, provider_id uuid NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('login', 'logout')),
    request_id text NOT NULL, handle_hash bytea NOT NULL, browser_hash bytea,
    next_path text NOT NULL, link_user_id uuid, link_session_id uuid,
    created_at timestamptz NOT NULL, expires_at timestamptz NOT NULL, consumed_at timestamptz,
    PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, handle_hash),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES sso_providers (tenant_id, id)
        ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, link_user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX saml_requests_of_provider ON saml_requests (tenant_id, provider_id);
-- Assertions and logout requests that were taken; none is taken twice while it is valid.
CREATE TABLE saml_messages (
    tenant_id uuid NOT NULL, provider_id uuid NOT NULL, message_id text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, provider_id, message_id),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES sso_providers (tenant_id, id)
        ON DELETE CASCADE
);
-- What a logout has to name: the provider's words for the person and for its session. Sessions
-- bear the same remote_session.
CREATE TABLE saml_sessions (
    tenant_id uuid NOT NULL, provider_id uuid NOT NULL, remote_session text NOT NULL,
    name_id text NOT NULL, name_format text, name_qualifier text, sp_name_qualifier text,
    session_index text, created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, provider_id, remote_session),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES sso_providers (tenant_id, id)
        ON DELETE CASCADE
);
CREATE INDEX saml_sessions_of_person ON saml_sessions (tenant_id, provider_id, name_id);
"""


def upgrade() -> None:
    run(TABLES)
    for table in ("saml_keys", "saml_requests", "saml_messages", "saml_sessions"):
        isolate(table)
        grant(table, "SELECT, INSERT, UPDATE, DELETE", "app", "platform")
