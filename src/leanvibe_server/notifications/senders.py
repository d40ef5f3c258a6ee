"""The senders: an outbox to look into and the log, for development, and SMTP."""

from uuid import UUID

from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.log import logger
from leanvibe_server.kernel.mail import Mail, MailSender
from leanvibe_server.notifications.smtp import SmtpSender


class OutboxSender:
    """Delivers nothing: the message stays where it is, and a page of the dashboard shows it."""

    async def send(self, mail: Mail, *, message_id: UUID) -> None:
        logger("mail").info("mail kept in the outbox", message_id=str(message_id))


class ConsoleSender:
    """Writes the message to the log, for installations without a page to look at."""

    async def send(self, mail: Mail, *, message_id: UUID) -> None:
        logger("mail").info(
            "mail", message_id=str(message_id), to=mail.to, subject=mail.subject, text=mail.text
        )


def sender_of(house: House) -> MailSender:
    """The sender that the settings name."""
    backend = house.settings.mail_backend
    if backend == "smtp":
        return SmtpSender(house.settings, house.clock)
    return ConsoleSender() if backend == "console" else OutboxSender()
