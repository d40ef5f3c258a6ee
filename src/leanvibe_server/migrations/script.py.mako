"""${message}"""

from leanvibe_server.migrations.sql import grant, isolate, run

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    run("")
