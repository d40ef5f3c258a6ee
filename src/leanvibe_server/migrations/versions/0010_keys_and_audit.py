"""Data keys of tenants, the sealed audit chain, consents."""

from leanvibe_server.migrations.sql import every_row, grant, isolate, run

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
"""
# What earlier events told of people moves to parts of its own, as if it had been written there:
# who acted is one person, whom it is about may be another.
PARTS = """
WITH split AS (
    SELECT tenant_id, id, occurred_at,
        coalesce((payload ->> 'user_id')::uuid, actor_id, '{nobody}') AS subject_id,
        coalesce(actor_id, (payload ->> 'user_id')::uuid, '{nobody}') AS actor_id,
        CASE WHEN actor_kind <> 'system' THEN jsonb_strip_nulls(jsonb_build_object(
            'actor_label', actor_label, 'address', address, 'user_agent', user_agent))
            ELSE '{{}}' END AS about,
        jsonb_strip_nulls(jsonb_build_object('email', payload -> 'email', 'changed',
            CASE WHEN jsonb_typeof(payload -> 'changed') = 'object'
                AND payload -> 'changed' ?| ARRAY['email', 'username']
                THEN jsonb_strip_nulls(jsonb_build_object(
                    'email', payload #> '{{changed,email}}',
                    'username', payload #> '{{changed,username}}')) END)) AS named
    FROM events
), pieces AS (
    SELECT tenant_id, id, occurred_at, subject_id AS person_id,
        jsonb_build_object('payload', named) AS piece FROM split WHERE named <> '{{}}'
    UNION ALL
    SELECT tenant_id, id, occurred_at, actor_id, about FROM split WHERE about <> '{{}}'
)
INSERT INTO event_personal (tenant_id, event_id, person_id, salt, body, occurred_at)
SELECT p.tenant_id, p.id, p.person_id, uuid_send(gen_random_uuid()),
    jsonb_object_agg(told.key, told.value)::text, p.occurred_at
FROM pieces p, jsonb_each(p.piece) AS told
GROUP BY p.tenant_id, p.id, p.person_id, p.occurred_at;
UPDATE events e SET
    actor_label = CASE WHEN actor_kind = 'system' THEN actor_label END,
    address = NULL, user_agent = NULL,
    payload = CASE WHEN jsonb_typeof(payload -> 'changed') = 'object'
        THEN (payload - 'email') #- '{{changed,email}}' #- '{{changed,username}}'
        ELSE payload - 'email' END,
    personal_digests = parts.digests
FROM (
    SELECT tenant_id, event_id, jsonb_object_agg(person_id,
        encode(sha256(salt || convert_to(body, 'UTF8')), 'hex')) AS digests
    FROM event_personal GROUP BY tenant_id, event_id
) parts WHERE parts.tenant_id = e.tenant_id AND parts.event_id = e.id;
INSERT INTO unsealed_events SELECT tenant_id, id FROM events WHERE audited;
"""
NOBODY = "00000000-0000-0000-0000-000000000000"
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
    with every_row("events"):
        run(PARTS.replace("{nobody}", NOBODY))
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
