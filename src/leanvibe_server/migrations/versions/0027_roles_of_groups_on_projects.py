"""Groups have roles on projects."""

from leanvibe_server.migrations.sql import grant, isolate, run

revision = "0027"
down_revision = "0026"

TABLES = """
CREATE TABLE project_groups (
    tenant_id uuid NOT NULL, project_id uuid NOT NULL, group_id uuid NOT NULL,
    role text NOT NULL, added_by uuid, created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, project_id, group_id),
    FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, group_id) REFERENCES groups (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX project_groups_of_group ON project_groups (tenant_id, group_id, role);
"""


def upgrade() -> None:
    run(TABLES)
    isolate("project_groups")
    grant("project_groups", "SELECT, INSERT, UPDATE, DELETE", "app", "platform")
