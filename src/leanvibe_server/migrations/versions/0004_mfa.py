"""Second factors: factors, backup codes, sign-ins under way, codes that were sent."""

from leanvibe_server.migrations.sql import grant, isolate, run

revision = "0004"
down_revision = "0003"

FACTORS = """
CREATE TABLE mfa_factors (
    tenant_id uuid NOT NULL, id uuid NOT NULL, user_id uuid NOT NULL,
    method text NOT NULL CHECK (method IN ('totp', 'sms', 'email', 'webauthn')),
    label text NOT NULL,
    -- The key of a TOTP, or the number of a telephone.
    secret_sealed bytea,
    created_at timestamptz NOT NULL, expires_at timestamptz,
    verified_at timestamptz, last_used_at timestamptz,
    last_step bigint,
    credential_id bytea, public_key bytea, sign_count bigint NOT NULL DEFAULT 0,
    backup_eligible boolean NOT NULL DEFAULT false, backed_up boolean NOT NULL DEFAULT false,
    transports text[] NOT NULL DEFAULT '{{}}', webauthn_challenge bytea,
    PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, credential_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX mfa_factors_of_user ON mfa_factors (tenant_id, user_id);
-- Each but keys once a person.
CREATE UNIQUE INDEX mfa_factors_once ON mfa_factors (tenant_id, user_id, method)
    WHERE verified_at IS NOT NULL AND method <> 'webauthn';
CREATE TABLE mfa_backup_codes (
    tenant_id uuid NOT NULL, id uuid NOT NULL, user_id uuid NOT NULL,
    -- The set-up they came with, while it is not confirmed.
    pending_factor_id uuid,
    salt bytea NOT NULL, code_hash bytea NOT NULL,
    created_at timestamptz NOT NULL, used_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, pending_factor_id) REFERENCES mfa_factors (tenant_id, id)
        ON DELETE CASCADE
);
CREATE INDEX mfa_backup_codes_of_user ON mfa_backup_codes (tenant_id, user_id);
"""

CHALLENGES = """
CREATE TABLE mfa_challenges (
    tenant_id uuid NOT NULL, id uuid NOT NULL,
    -- Nobody yet, where a passkey is to say who it is: the platform's own tenant holds these.
    user_id uuid, token_hash bytea NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('sign_in', 'passkey', 'step_up')),
    session_kind text, browser_hash bytea, session_id uuid, proof jsonb, account_mark bytea,
    enrolling boolean NOT NULL DEFAULT false, webauthn_challenge bytea,
    created_at timestamptz NOT NULL, expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, token_hash),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX mfa_challenges_of_user ON mfa_challenges (tenant_id, user_id);
CREATE TABLE mfa_sent_codes (
    tenant_id uuid NOT NULL, id uuid NOT NULL, user_id uuid NOT NULL, factor_id uuid NOT NULL,
    -- What the code is good for: one sign-in, one session's step-up, one set-up.
    bound_to uuid NOT NULL, code_hash bytea NOT NULL,
    created_at timestamptz NOT NULL, expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, factor_id) REFERENCES mfa_factors (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX mfa_sent_codes_of_factor ON mfa_sent_codes (tenant_id, factor_id, bound_to);
CREATE TABLE outgoing_sms (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE, id uuid NOT NULL,
    recipient_sealed bytea NOT NULL, body_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL, expires_at timestamptz NOT NULL, sent_at timestamptz,
    provider_id text, failed_at timestamptz, failure text,
    PRIMARY KEY (tenant_id, id)
);
"""

# Keyed hashes of the credential ids of every tenant, and nothing about whose they are: a
# credential is registered once on the whole platform. In use in the home region only.
CREDENTIALS = """
CREATE TABLE webauthn_credentials (
    credential_hash bytea PRIMARY KEY, registered_at timestamptz NOT NULL
);
"""

FULL = "SELECT, INSERT, UPDATE, DELETE"


def upgrade() -> None:
    run(FACTORS)
    run(CHALLENGES)
    for table in (
        "mfa_factors",
        "mfa_backup_codes",
        "mfa_challenges",
        "mfa_sent_codes",
        "outgoing_sms",
    ):
        isolate(table)
        grant(table, FULL, "app", "platform")
    run(CREDENTIALS)
    grant("webauthn_credentials", FULL, "platform")
