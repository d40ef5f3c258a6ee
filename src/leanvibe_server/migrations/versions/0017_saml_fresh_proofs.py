"""Going to a SAML provider to prove oneself anew, with the form that was interrupted."""

from leanvibe_server.migrations.sql import run

revision = "0017"
down_revision = "0016"

PURPOSES = """
ALTER TABLE saml_requests
    DROP CONSTRAINT saml_requests_purpose_check,
    ADD CONSTRAINT saml_requests_purpose_check
        CHECK (purpose IN ('login', 'logout', 'step_up')),
    -- Sealed: what somebody had typed when they were asked to prove themselves.
    ADD COLUMN ticket text;
"""


def upgrade() -> None:
    run(PURPOSES)
