"""Data keys of tenants, the sealed audit chain, consents."""

from leanvibe_server.migrations.sql import grant, isolate, run

revision = "0010"
down_revision = "0009"

KEYS = """
CREATE TABLE data_keys (
    tenant_id uuid NOT NULL, version int NOT NULL CHECK (version > 0),
    wrapped bytea, wrapped_by text NOT NULL,
    created_at timestamptz NOT NULL, retired_at timestamptz, destroyed_at timestamptz,
    PRIMARY KEY (tenant_id, version),
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);
CREATE UNIQUE INDEX data_keys_current ON data_keys (tenant_id)
    WHERE retired_at IS NULL AND destroyed_at IS NULL;
"""

AUDIT = """
ALTER TABLE events ADD COLUMN personal_digests jsonb;
CREATE TABLE event_personal (
    tenant_id uuid NOT NULL, event_id uuid NOT NULL, person_id uuid NOT NULL,
    salt bytea NOT NULL, body text NOT NULL, occurred_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, event_id, person_id)
);
CREATE INDEX event_personal_of_person ON event_personal (tenant_id, person_id);
CREATE INDEX event_personal_by_age ON event_personal (tenant_id, occurred_at);
CREATE TABLE unsealed_events (
    tenant_id uuid NOT NULL, event_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, event_id)
);
CREATE TABLE sealed_events (
    tenant_id uuid NOT NULL, position bigint NOT NULL, event_id uuid NOT NULL,
    row_hash bytea NOT NULL, chain_hash bytea NOT NULL,
    PRIMARY KEY (tenant_id, position), UNIQUE (tenant_id, event_id)
);
CREATE TABLE audit_seals (
    tenant_id uuid NOT NULL, seq bigint NOT NULL,
    first_position bigint NOT NULL, last_position bigint NOT NULL,
    first_event_id uuid NOT NULL, last_event_id uuid NOT NULL, count int NOT NULL,
    previous_hash bytea NOT NULL, hash bytea NOT NULL, sealed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, seq)
);
-- What earlier events told of people moves to parts of its own. The owner is no superuser
-- everywhere, so the policies rest while it does.
ALTER TABLE events NO FORCE ROW LEVEL SECURITY;
INSERT INTO event_personal (tenant_id, event_id, person_id, salt, body, occurred_at)
SELECT tenant_id, id, coalesce(actor_id, '00000000-0000-0000-0000-000000000000'),
       uuid_send(gen_random_uuid()),
       jsonb_strip_nulls(jsonb_build_object('actor_label', actor_label, 'address', address,
           'user_agent', user_agent, 'payload',
           CASE WHEN payload ? 'email' AND name LIKE 'user.%'
                THEN jsonb_build_object('email', payload -> 'email') END))::text,
       occurred_at
FROM events WHERE actor_kind <> 'system';
UPDATE events e SET actor_label = NULL, address = NULL, user_agent = NULL,
    payload = CASE WHEN e.name LIKE 'user.%' THEN e.payload - 'email' ELSE e.payload END,
    personal_digests = jsonb_build_object(p.person_id,
        encode(sha256(p.salt || convert_to(p.body, 'UTF8')), 'hex'))
FROM event_personal p WHERE p.tenant_id = e.tenant_id AND p.event_id = e.id;
INSERT INTO unsealed_events SELECT tenant_id, id FROM events WHERE audited;
ALTER TABLE events FORCE ROW LEVEL SECURITY;
"""
PRIVACY = """
CREATE TABLE privacy_exports (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE, id uuid NOT NULL,
    user_id uuid, -- NULL: all of the tenant
    status text NOT NULL CHECK (status IN ('queued', 'ready', 'failed', 'expired')),
    requested_by uuid, requested_at timestamptz NOT NULL, ready_at timestamptz,
    expires_at timestamptz NOT NULL, size_bytes bigint, sha256 text,
    PRIMARY KEY (tenant_id, id)
);
CREATE TABLE erasures (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE, id uuid NOT NULL,
    user_id uuid NOT NULL, requested_by uuid, erased_at timestamptz NOT NULL,
    certificate jsonb NOT NULL, signature text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX erasures_of_person ON erasures (tenant_id, user_id);
CREATE TABLE consents (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE, id uuid NOT NULL,
    user_id uuid NOT NULL, purpose text NOT NULL, version text NOT NULL, given boolean NOT NULL,
    recorded_by uuid, recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX consents_of_person ON consents (tenant_id, user_id, purpose, id);
CREATE TABLE retention_periods (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE, table_name text NOT NULL,
    days int NOT NULL CHECK (days > 0), changed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, table_name)
);
CREATE TABLE retention_marks (
    tenant_id uuid NOT NULL, table_name text NOT NULL, removed_before timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, table_name)
);
"""
APPENDED = ("sealed_events", "audit_seals", "erasures", "consents")


def upgrade() -> None:
    run(KEYS)
    isolate("data_keys")
    grant("data_keys", "SELECT, INSERT, UPDATE", "app")
    grant("data_keys", "SELECT, INSERT, UPDATE, DELETE", "platform")
    run(AUDIT)
    run(PRIVACY)
    for table in (*APPENDED, "event_personal", "unsealed_events"):
        isolate(table)
        # What is sealed is append-only for everyone, as the events are.
        grant(table, "SELECT, INSERT", "app", "platform")
    # What names a person is erased, and never changed.
    grant("event_personal", "DELETE", "app", "platform")
    grant("unsealed_events", "DELETE", "app", "platform")
    for table in ("privacy_exports", "retention_periods", "retention_marks"):
        isolate(table)
        grant(table, "SELECT, INSERT, UPDATE", "app", "platform")
    grant("retention_periods", "DELETE", "app", "platform")
    grant("privacy_exports", "DELETE", "platform")
    # Mail to a person is erased with them.
    grant("outgoing_mail", "DELETE", "app")
