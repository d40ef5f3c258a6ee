"""The first stone: tenants, people, events, jobs, metering, projects and tasks."""

from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries

from leanvibe_server.migrations.sql import grant, isolate, run

revision = "0001"
down_revision = None

KERNEL = """
CREATE TABLE events (
    tenant_id uuid NOT NULL, id uuid NOT NULL,
    name text NOT NULL, version int NOT NULL, public boolean NOT NULL, audited boolean NOT NULL,
    area text NOT NULL, payload jsonb NOT NULL,
    actor_kind text NOT NULL, actor_id uuid, actor_label text, request_id text,
    address text, user_agent text, occurred_at timestamptz NOT NULL,
    stream text, stream_seq bigint,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX events_stream ON events (tenant_id, stream, stream_seq)
    WHERE stream IS NOT NULL;
CREATE INDEX events_audit ON events (tenant_id, area, id DESC) WHERE audited;

CREATE TABLE event_streams (
    tenant_id uuid NOT NULL, stream text NOT NULL, last_seq bigint NOT NULL,
    PRIMARY KEY (tenant_id, stream)
);
CREATE TABLE handled_events (
    tenant_id uuid NOT NULL, event_id uuid NOT NULL, handler text NOT NULL,
    handled_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, event_id, handler)
);
CREATE TABLE idempotency_keys (
    tenant_id uuid NOT NULL, owner text NOT NULL, key text NOT NULL,
    method text NOT NULL, path text NOT NULL, request_hash bytea NOT NULL,
    status int, body bytea, media_type text, created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, owner, key)
);
CREATE TABLE outgoing_mail (
    tenant_id uuid NOT NULL, id uuid NOT NULL, recipient text NOT NULL, subject text NOT NULL,
    body text NOT NULL, created_at timestamptz NOT NULL, sent_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
"""

TENANCY = """
CREATE TABLE tenants (
    id uuid PRIMARY KEY, slug text NOT NULL UNIQUE,
    organization_name text NOT NULL, display_name text NOT NULL,
    status text NOT NULL CHECK (status IN ('active', 'suspended')),
    plan text NOT NULL, data_residency text NOT NULL,
    parent_tenant_id uuid REFERENCES tenants (id),
    admin_email text NOT NULL,
    configuration jsonb NOT NULL, suspended_reason text,
    trial_ends_at timestamptz, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL
);
CREATE TABLE usage_counters (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    metric text NOT NULL, period text NOT NULL, used bigint NOT NULL CHECK (used >= 0),
    warned_at timestamptz, exceeded_at timestamptz,
    PRIMARY KEY (tenant_id, metric, period)
);
CREATE TABLE usage_events (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL, metric text NOT NULL, quantity numeric(20, 6) NOT NULL,
    idempotency_key text NOT NULL, task_id uuid, event_id uuid,
    occurred_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, metric, idempotency_key)
);
"""

IDENTITY = """
CREATE TABLE users (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL, account_id uuid NOT NULL,
    email text NOT NULL, username text NOT NULL, password_hash text,
    role text NOT NULL, status text NOT NULL CHECK (status IN ('active', 'invited', 'disabled')),
    email_verified_at timestamptz, expires_at timestamptz, last_login_at timestamptz,
    created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, email)
);
CREATE TABLE directory (
    tenant_id uuid NOT NULL, user_id uuid NOT NULL, account_id uuid NOT NULL,
    email_hash bytea NOT NULL,
    PRIMARY KEY (tenant_id, user_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX directory_by_email ON directory (email_hash);
CREATE INDEX directory_by_account ON directory (account_id);
CREATE TABLE sessions (
    tenant_id uuid NOT NULL, id uuid NOT NULL, user_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('token', 'web')), cookie_hash bytea,
    address text, user_agent text,
    created_at timestamptz NOT NULL, last_seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL, ended_at timestamptz, ended_reason text,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX sessions_cookie ON sessions (tenant_id, cookie_hash)
    WHERE cookie_hash IS NOT NULL;
CREATE INDEX sessions_of_user ON sessions (tenant_id, user_id, created_at) WHERE ended_at IS NULL;
CREATE TABLE refresh_tokens (
    tenant_id uuid NOT NULL, id uuid NOT NULL, session_id uuid NOT NULL,
    token_hash bytea NOT NULL, client_hash bytea NOT NULL,
    created_at timestamptz NOT NULL, used_at timestamptz,
    PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, token_hash),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);
CREATE TABLE api_keys (
    tenant_id uuid NOT NULL, id uuid NOT NULL, user_id uuid NOT NULL,
    name text NOT NULL, prefix text NOT NULL, key_hash bytea NOT NULL, scopes text[] NOT NULL,
    created_at timestamptz NOT NULL, last_used_at timestamptz, expires_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, key_hash),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE TABLE invitations (
    tenant_id uuid NOT NULL, id uuid NOT NULL, user_id uuid NOT NULL,
    token_hash bytea NOT NULL, created_at timestamptz NOT NULL, expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, token_hash),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
-- Of the platform: keys that sign tokens, and failed sign-ins by keyed hash.
CREATE TABLE signing_keys (
    kid text PRIMARY KEY, algorithm text NOT NULL, private_key_sealed bytea NOT NULL,
    public_jwk jsonb NOT NULL, created_at timestamptz NOT NULL, retires_at timestamptz
);
CREATE TABLE login_failures (
    key bytea PRIMARY KEY, failures int NOT NULL, last_failed_at timestamptz NOT NULL,
    blocked_until timestamptz
);
"""

WORK = """
CREATE TABLE projects (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id uuid NOT NULL, name text NOT NULL, description text NOT NULL, tech_stack text[] NOT NULL,
    repository_url text NOT NULL, hosted boolean NOT NULL, default_branch text,
    ai_assistance_level text NOT NULL, configuration jsonb NOT NULL,
    credentials_sealed bytea, is_default boolean NOT NULL, created_by uuid,
    created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX projects_default ON projects (tenant_id) WHERE is_default;
CREATE TABLE tasks (
    tenant_id uuid NOT NULL, id uuid NOT NULL, project_id uuid NOT NULL,
    title text NOT NULL, description text NOT NULL, priority text NOT NULL,
    estimated_complexity text, requirements jsonb NOT NULL, extra jsonb NOT NULL,
    status text NOT NULL CHECK (status IN ('queued', 'in_progress', 'awaiting_approval',
        'completed', 'failed', 'cancelled')),
    progress_percentage int NOT NULL, current_step text, run int NOT NULL,
    recipe text, plan jsonb, assigned_agent text NOT NULL,
    base_branch text, base_commit text, branch text, commit_sha text,
    delivery text, delivery_reason text, branch_deleted_at timestamptz,
    deliverables jsonb, quality_score numeric(5, 4), quality jsonb, error jsonb,
    parent_task_id uuid, created_by uuid, cancel_requested_at timestamptz,
    reserved_at timestamptz, -- when this run took its place in the daily quota; NULL once settled
    created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
    started_at timestamptz, completed_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX tasks_of_project ON tasks (tenant_id, project_id, id DESC);
CREATE INDEX tasks_unfinished ON tasks (tenant_id, status)
    WHERE status IN ('queued', 'in_progress', 'awaiting_approval');
CREATE TABLE task_steps (
    tenant_id uuid NOT NULL, task_id uuid NOT NULL, run int NOT NULL, position int NOT NULL,
    name text NOT NULL,
    status text NOT NULL CHECK (status IN ('running', 'completed', 'failed', 'cancelled')),
    input jsonb NOT NULL, output jsonb, tool_calls jsonb NOT NULL, error jsonb,
    snapshot bytea, cost_cents numeric(20, 6) NOT NULL, claim uuid NOT NULL,
    started_at timestamptz NOT NULL, completed_at timestamptz, duration_ms bigint,
    PRIMARY KEY (tenant_id, task_id, run, position),
    FOREIGN KEY (tenant_id, task_id) REFERENCES tasks (tenant_id, id) ON DELETE CASCADE
);
"""

FULL = "SELECT, INSERT, UPDATE, DELETE"
TENANT_TABLES = {
    "events": "SELECT, INSERT",
    "event_streams": FULL,
    "handled_events": "SELECT, INSERT",
    "idempotency_keys": FULL,
    "outgoing_mail": "SELECT, INSERT, UPDATE",
    "usage_counters": "SELECT, INSERT, UPDATE",
    "usage_events": "SELECT, INSERT",
    "users": FULL,
    "directory": FULL,
    "sessions": FULL,
    "refresh_tokens": FULL,
    "api_keys": FULL,
    "invitations": FULL,
    "projects": FULL,
    "tasks": FULL,
    "task_steps": FULL,
}
QUEUE_TABLES = ("pgqueuer", "pgqueuer_log", "pgqueuer_statistics", "pgqueuer_schedules")


def upgrade() -> None:
    run("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    run("GRANT USAGE ON SCHEMA public TO {app}, {platform}, {worker}")
    for part in (KERNEL, TENANCY, IDENTITY, WORK):
        run(part)
    isolate("tenants", column="id")
    grant("tenants", "SELECT, UPDATE", "app")
    for table, rights in TENANT_TABLES.items():
        isolate(table)
        grant(table, rights, "app")
    for table in ("tenants", *TENANT_TABLES, "signing_keys", "login_failures"):
        # The log is append-only for everyone.
        grant(table, "SELECT, INSERT" if table == "events" else FULL, "platform")
    _install_queue()


def _install_queue() -> None:
    """The job queue is the worker's; the others may only add to it, and read no job."""
    driver: AsyncpgDriver = object.__new__(AsyncpgDriver)
    run(_escape(Queries(driver).qbe.build_install_query()))
    for table in QUEUE_TABLES:
        grant(table, "ALL", "worker")
    for login in ("app", "platform"):
        # What the statement that adds a job reads of it; never its payload.
        columns = "id, entrypoint, priority, dedupe_key, status"
        run(f"GRANT INSERT, SELECT ({columns}) ON pgqueuer TO {{{login}}}")
        run(f"GRANT INSERT ON pgqueuer_log TO {{{login}}}")
    run("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app}, {platform}, {worker}")


def _escape(sql: str) -> str:
    return sql.replace("{", "{{").replace("}", "}}")
