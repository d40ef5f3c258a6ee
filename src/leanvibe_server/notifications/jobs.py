"""Jobs of the notifications room."""

from uuid import UUID

from leanvibe_server.kernel.jobs import Jobs, Work
from leanvibe_server.kernel.mail import SEND_MAIL
from leanvibe_server.notifications import service
from leanvibe_server.notifications.senders import sender_of


async def send_mail(work: Work, *, mail_id: str) -> None:
    """Send one queued message."""
    await service.send_mail(work, sender_of(work.house), UUID(mail_id))


def register(jobs: Jobs) -> None:
    """Take the jobs of this room on."""
    jobs.add(SEND_MAIL, send_mail)
