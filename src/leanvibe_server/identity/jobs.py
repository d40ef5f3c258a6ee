"""Jobs of the identity room."""

from leanvibe_server.identity.account.passwords import SEND_RESET, send_reset_link
from leanvibe_server.identity.saml import refreshing
from leanvibe_server.kernel.jobs import Jobs


def register(jobs: Jobs) -> None:
    """Take the jobs of this room on."""
    jobs.add(SEND_RESET, send_reset_link)
    refreshing.register(jobs)
