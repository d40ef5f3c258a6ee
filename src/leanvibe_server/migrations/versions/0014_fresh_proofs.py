"""Going to an identity provider to prove oneself anew, with the form that was interrupted."""

from leanvibe_server.migrations.sql import every_row, run

revision = "0014"
down_revision = "0013"

PURPOSES = """
ALTER TABLE oidc_flows
    ADD COLUMN purpose text NOT NULL DEFAULT 'sign_in'
        CHECK (purpose IN ('sign_in', 'link', 'step_up')),
    -- Sealed: what somebody had typed when they were asked to prove themselves.
    ADD COLUMN ticket text;
UPDATE oidc_flows SET purpose = 'link' WHERE link_user_id IS NOT NULL;
"""


def upgrade() -> None:
    with every_row("oidc_flows"):
        run(PURPOSES)
