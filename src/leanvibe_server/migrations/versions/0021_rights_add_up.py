"""Rights add up: what groups give counts beside the role people have, also roles tenants made."""

from leanvibe_server.migrations.sql import every_row, run

revision = "0021"
down_revision = "0020"

ROLES = """
ALTER TABLE groups DROP CONSTRAINT groups_role_check;
ALTER TABLE users
    -- What counts beside `role`, by groups.
    ADD COLUMN further_roles text[] NOT NULL DEFAULT '{{}}',
    -- Nobody chose the role: provisioning gave it, and it counts only where no group gives one.
    ADD COLUMN role_is_usual boolean NOT NULL DEFAULT false;
"""
USUAL = """
UPDATE users u SET role_is_usual = true
WHERE coalesce(own_role, role) = 'developer' AND EXISTS (
    SELECT 1 FROM scim_profiles p WHERE p.tenant_id = u.tenant_id AND p.user_id = u.id)
"""
# Whom a group had taken down stays there: an upgrade gives nobody rights.
KEPT_DOWN = """
UPDATE users SET own_role = role
WHERE own_role IS NOT NULL AND NOT role_is_usual
    AND array_position(ARRAY['admin', 'manager', 'developer', 'viewer', 'guest'], role)
        > array_position(ARRAY['admin', 'manager', 'developer', 'viewer', 'guest'], own_role)
"""


def upgrade() -> None:
    run(ROLES)
    with every_row("users", "scim_profiles"):
        run(USUAL)
        run(KEPT_DOWN)
