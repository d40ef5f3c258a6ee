"""Roles of a tenant and of a project, and delegated administration."""

from leanvibe_server.migrations.sql import every_row, grant, isolate, run, show

revision = "0007"
down_revision = "0006"

ROLES = """
CREATE TABLE roles (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE, id uuid NOT NULL,
    name text NOT NULL, description text NOT NULL, permissions text[] NOT NULL,
    created_by uuid, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, name)
);
CREATE INDEX users_of_role ON users (tenant_id, role);
ALTER TABLE users ADD COLUMN end_reminded_at timestamptz;
CREATE INDEX users_ending ON users (tenant_id, expires_at)
    WHERE expires_at IS NOT NULL AND status <> 'disabled';
"""

PROJECTS = """
ALTER TABLE projects ADD COLUMN visibility text NOT NULL DEFAULT 'organization'
    CHECK (visibility IN ('organization', 'members'));
CREATE INDEX projects_restricted ON projects (tenant_id, id) WHERE visibility = 'members';
CREATE TABLE project_members (
    tenant_id uuid NOT NULL, project_id uuid NOT NULL, user_id uuid NOT NULL,
    role text NOT NULL, added_by uuid, created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, project_id, user_id),
    FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX project_members_of_user ON project_members (tenant_id, user_id, role);
"""

# Every organisation with each one above it: a look at a subtree, and at a cycle, is one index scan.
TREE = """
CREATE TABLE tenant_ancestors (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    ancestor_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    depth int NOT NULL CHECK (depth > 0),
    PRIMARY KEY (tenant_id, ancestor_id), CHECK (tenant_id <> ancestor_id)
);
CREATE INDEX tenant_ancestors_below ON tenant_ancestors (ancestor_id, depth, tenant_id);
WITH RECURSIVE above AS (
    SELECT id AS tenant_id, parent_tenant_id AS ancestor_id, 1 AS depth
    FROM tenants WHERE parent_tenant_id IS NOT NULL
    UNION ALL
    SELECT a.tenant_id, t.parent_tenant_id, a.depth + 1
    FROM above a JOIN tenants t ON t.id = a.ancestor_id WHERE t.parent_tenant_id IS NOT NULL
) CYCLE ancestor_id SET looped USING path
INSERT INTO tenant_ancestors
SELECT tenant_id, ancestor_id, depth FROM above WHERE NOT looped AND tenant_id <> ancestor_id;
-- Whoever acts for an organisation below is noted there once a session and day.
CREATE TABLE delegated_visits (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    credential_id uuid NOT NULL, day date NOT NULL, home_tenant_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, credential_id, day)
);
"""

# An organisation sees who is below it; and, where a transaction names them in app.subtree, what
# they are and what they use. Reading only: nobody writes into another organisation this way.
SUBTREE = """
CREATE POLICY tenant_descendants ON tenant_ancestors FOR SELECT TO {app}
    USING (ancestor_id = current_setting('app.tenant_id')::uuid);
"""
SUBTREE_TABLES = {"tenants": "id", "usage_counters": "tenant_id"}

FULL = "SELECT, INSERT, UPDATE, DELETE"


def upgrade() -> None:
    run(ROLES)
    run(PROJECTS)
    with every_row("tenants"):
        run(TREE)
    for table in ("roles", "project_members"):
        isolate(table)
        grant(table, FULL, "app", "platform")
    for table in ("tenant_ancestors", "delegated_visits"):
        show(table)
        grant(table, "SELECT", "app")
        grant(table, FULL, "platform")
    run(SUBTREE)
    for table, column in SUBTREE_TABLES.items():
        # The setting is read and turned into ids once for a statement, not for every row.
        run(
            f"""
            CREATE POLICY tenant_subtree ON {table} FOR SELECT TO {{app}} USING ({column} = ANY (
                (SELECT string_to_array(nullif(current_setting('app.subtree', true), ''), ',')
                        ::uuid[])::uuid[]));
            """
        )
