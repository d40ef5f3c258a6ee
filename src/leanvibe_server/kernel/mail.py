"""Mail: the port, and the queue that leads to it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

if TYPE_CHECKING:
    from leanvibe_server.kernel.scope import Scope

SEND_MAIL = "mail.send"


@dataclass(frozen=True)
class Mail:
    """One message to one person."""

    to: str
    subject: str
    text: str


class MailRefused(Exception):
    """A message that nobody will ever take, however often it is tried."""


class MailSender(Protocol):
    """Hands a message over. Called by a job, never inside a request's transaction."""

    async def send(self, mail: Mail, *, message_id: UUID) -> None:
        """Raises: MailRefused: for good. Anything else: it is tried again later."""
        ...


QUEUE_MAIL = """
INSERT INTO outgoing_mail (tenant_id, id, recipient, subject, body, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""


async def queue_mail(scope: "Scope", mail: Mail) -> UUID:
    """Keep the message in the caller's transaction and have a job send it."""
    mail_id = scope.new_id()
    await scope.conn.execute(
        QUEUE_MAIL, scope.tenant_id, mail_id, mail.to, mail.subject, mail.text, scope.now
    )
    await scope.enqueue(SEND_MAIL, mail_id=mail_id)
    return mail_id
