"""API keys with limits, service accounts, groups and provisioning."""

from leanvibe_server.migrations.sql import grant, isolate, run

revision = "0008"
down_revision = "0007"

KEYS = """
ALTER TABLE api_keys
    ADD COLUMN last_used_address text,
    ADD COLUMN rate_limit_per_minute int CHECK (rate_limit_per_minute > 0),
    ADD COLUMN allowed_networks text[] NOT NULL DEFAULT '{{}}',
    ADD COLUMN replaces uuid;
CREATE INDEX api_keys_of_user ON api_keys (tenant_id, user_id, id);
"""

SERVICE_ACCOUNTS = """
ALTER TABLE users ADD COLUMN kind text NOT NULL DEFAULT 'person'
    CHECK (kind IN ('person', 'service'));
CREATE TABLE service_accounts (
    tenant_id uuid NOT NULL, id uuid NOT NULL, -- the id of its user
    name text NOT NULL, description text NOT NULL, created_by uuid,
    created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX service_accounts_name ON service_accounts (tenant_id, lower(name));
CREATE TABLE oauth_clients (
    tenant_id uuid NOT NULL, id uuid NOT NULL, service_account_id uuid NOT NULL,
    name text NOT NULL, scopes text[] NOT NULL, secret_prefix text NOT NULL,
    secret_hash bytea NOT NULL, previous_hash bytea, previous_until timestamptz,
    created_at timestamptz NOT NULL, expires_at timestamptz, revoked_at timestamptz,
    last_used_at timestamptz, last_used_address text,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, service_account_id) REFERENCES service_accounts (tenant_id, id)
        ON DELETE CASCADE
);
CREATE INDEX oauth_clients_of_account ON oauth_clients (tenant_id, service_account_id, id);
-- An access token of a client, so that it can be revoked before it expires.
CREATE TABLE oauth_tokens (
    tenant_id uuid NOT NULL, id uuid NOT NULL, client_id uuid NOT NULL, scopes text[] NOT NULL,
    created_at timestamptz NOT NULL, expires_at timestamptz NOT NULL, revoked_at timestamptz,
    last_seen_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, client_id) REFERENCES oauth_clients (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX oauth_tokens_of_client ON oauth_tokens (tenant_id, client_id);
"""

GROUPS = """
CREATE TABLE groups (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE, id uuid NOT NULL,
    name text NOT NULL, description text NOT NULL, external_id text,
    role text CHECK (role IN ('admin', 'manager', 'developer', 'viewer', 'guest')),
    version int NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX groups_name ON groups (tenant_id, lower(name));
CREATE TABLE group_members (
    tenant_id uuid NOT NULL, group_id uuid NOT NULL, user_id uuid NOT NULL,
    added_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, group_id, user_id),
    FOREIGN KEY (tenant_id, group_id) REFERENCES groups (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX group_members_of_user ON group_members (tenant_id, user_id);
"""

PROVISIONING = """
CREATE TABLE scim_tokens (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE, id uuid NOT NULL,
    name text NOT NULL, prefix text NOT NULL, token_hash bytea NOT NULL, created_by uuid,
    created_at timestamptz NOT NULL, expires_at timestamptz NOT NULL, revoked_at timestamptz,
    last_used_at timestamptz, last_used_address text,
    PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, token_hash)
);
-- What a provisioning client says of a person, beside what every user has.
CREATE TABLE scim_profiles (
    tenant_id uuid NOT NULL, user_id uuid NOT NULL, user_name text NOT NULL, external_id text,
    attributes jsonb NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
    deleted_at timestamptz, -- deprovisioned: gone for the client, disabled for everybody else
    PRIMARY KEY (tenant_id, user_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX scim_profiles_name ON scim_profiles (tenant_id, lower(user_name))
    WHERE deleted_at IS NULL;
CREATE INDEX scim_profiles_external ON scim_profiles (tenant_id, external_id);
"""

TABLES = (
    "service_accounts",
    "oauth_clients",
    "oauth_tokens",
    "groups",
    "group_members",
    "scim_tokens",
    "scim_profiles",
)


def upgrade() -> None:
    for part in (KEYS, SERVICE_ACCOUNTS, GROUPS, PROVISIONING):
        run(part)
    for table in TABLES:
        isolate(table)
        grant(table, "SELECT, INSERT, UPDATE, DELETE", "app", "platform")
