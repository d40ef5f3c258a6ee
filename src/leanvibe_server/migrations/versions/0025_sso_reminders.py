"""Letters before something ends, for every kind of single sign-on."""

from leanvibe_server.migrations.sql import run

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    run("ALTER TABLE saml_reminders RENAME TO sso_reminders")
