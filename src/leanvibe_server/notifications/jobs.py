"""Jobs of the notifications room."""

from uuid import UUID

from leanvibe_server.kernel.jobs import Jobs, Work
from leanvibe_server.kernel.mail import SEND_MAIL
from leanvibe_server.kernel.sms import SEND_SMS
from leanvibe_server.notifications import service
from leanvibe_server.notifications.senders import sender_of
from leanvibe_server.notifications.sms import sms_sender_of


async def send_mail(work: Work, *, mail_id: str) -> None:
    """Send one queued message."""
    await service.send_mail(work, sender_of(work.house), UUID(mail_id))


async def send_sms(work: Work, *, sms_id: str) -> None:
    """Send one queued text message."""
    await service.send_sms(work, sms_sender_of(work.house), UUID(sms_id))


def register(jobs: Jobs) -> None:
    """Take the jobs of this room on."""
    jobs.add(SEND_MAIL, send_mail)
    jobs.add(SEND_SMS, send_sms)
