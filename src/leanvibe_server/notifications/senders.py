"""The senders of a development installation: an outbox to look into, and the log."""

from uuid import UUID

from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.log import logger
from leanvibe_server.kernel.mail import Mail, MailSender


class OutboxSender:
    """Delivers nothing: the message stays where it is, and a page of the dashboard shows it."""

    async def send(self, mail: Mail, *, message_id: UUID) -> None:
        logger("mail").info("mail kept in the outbox", message_id=str(message_id), to=mail.to)


class ConsoleSender:
    """Writes the message to the log, for installations without a page to look at."""

    async def send(self, mail: Mail, *, message_id: UUID) -> None:
        logger("mail").info(
            "mail", message_id=str(message_id), to=mail.to, subject=mail.subject, text=mail.text
        )


def sender_of(settings: Settings) -> MailSender:
    """The sender that the settings name."""
    return ConsoleSender() if settings.mail_backend == "console" else OutboxSender()
