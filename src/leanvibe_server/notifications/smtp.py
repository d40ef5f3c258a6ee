"""Mail by SMTP. Source: RFC 5321 for the exchange, RFC 5322 for the message, RFC 3207 for TLS."""

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Protocol
from uuid import UUID

import aiosmtplib

from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.mail import Mail, MailRefused


class Moment(Protocol):
    """What tells the time."""

    def now(self) -> datetime: ...


class SmtpSender:
    """Hands each message to one mail server, in an exchange of its own.

    A message bears the same Message-ID however often it is tried, so that a server that took it
    before the answer was lost may know it again.
    """

    def __init__(self, settings: Settings, clock: Moment) -> None:
        self._settings = settings
        self._clock = clock

    async def send(self, mail: Mail, *, message_id: UUID) -> None:
        """Raises: MailRefused: the server will never take it. OSError, TimeoutError,
        aiosmtplib.SMTPException: it may take it later."""
        settings = self._settings
        try:
            await aiosmtplib.send(
                self._compose(mail, message_id),
                hostname=settings.smtp_host,
                port=settings.smtp_port,
                username=settings.smtp_username or None,
                password=settings.smtp_password or None,
                use_tls=settings.smtp_tls == "tls",
                start_tls=settings.smtp_tls == "starttls",
                timeout=settings.smtp_timeout_s,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            answers = [refused.code for refused in error.recipients]
            if all(code >= 500 for code in answers):
                raise MailRefused(f"the mail server refuses the recipient ({answers[0]})") from None
            raise
        except aiosmtplib.SMTPAuthenticationError:
            # The operator's to mend, not the message's fault: it waits.
            raise
        except aiosmtplib.SMTPResponseException as error:
            if error.code >= 500:
                raise MailRefused(f"the mail server refuses the message ({error.code})") from None
            raise

    def _compose(self, mail: Mail, message_id: UUID) -> EmailMessage:
        """The message. Raises: MailRefused: an address or the subject is no header's text."""
        name, sender = parseaddr(self._settings.mail_from)
        message = EmailMessage()
        try:
            message["From"] = Address(name, addr_spec=sender)
            message["To"] = Address(addr_spec=mail.to)
            message["Subject"] = mail.subject
        except (ValueError, IndexError) as error:
            raise MailRefused(f"the message cannot be addressed: {error}") from None
        message["Date"] = format_datetime(self._clock.now())
        message["Message-ID"] = f"<{message_id}@{sender.partition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        return message
