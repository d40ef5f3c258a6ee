"""Who made a credential, and with which one; who sent an invitation."""

from leanvibe_server.migrations.sql import run

revision = "0020"
down_revision = "0019"

# Makers are pseudonyms that outlive their rows, so nothing refers to them by a foreign key.
COLUMNS = """
ALTER TABLE api_keys ADD COLUMN created_by uuid, ADD COLUMN made_with uuid;
ALTER TABLE oauth_clients ADD COLUMN created_by uuid, ADD COLUMN made_with uuid;
ALTER TABLE scim_tokens ADD COLUMN made_with uuid;
ALTER TABLE invitations ADD COLUMN invited_by uuid;
CREATE INDEX api_keys_made_with ON api_keys (tenant_id, made_with) WHERE made_with IS NOT NULL;
CREATE INDEX oauth_clients_made_with ON oauth_clients (tenant_id, made_with)
    WHERE made_with IS NOT NULL;
CREATE INDEX scim_tokens_made_with ON scim_tokens (tenant_id, made_with)
    WHERE made_with IS NOT NULL;
"""


def upgrade() -> None:
    run(COLUMNS)
