"""Use cases of notifications: hand a message over, look at what was sent."""

from functools import partial
from itertools import chain
from uuid import UUID

from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import Work
from leanvibe_server.kernel.mail import Mail, MailSender
from leanvibe_server.kernel.platform import Reason, ask_regions
from leanvibe_server.notifications import repository
from leanvibe_server.notifications.schemas import SentMail

SHOWN = 50


async def send_mail(work: Work, sender: MailSender, mail_id: UUID) -> None:
    """Hand a queued message to the sender, and note when.

    No transaction is open while the sender is at it; one that crashes in between sends again
    under the same message id.
    """
    async with work.scope() as scope:
        queued = await repository.find_mail(scope.conn, work.tenant_id, mail_id)
    if queued is None or queued.sent_at is not None:
        return
    await sender.send(Mail(queued.recipient, queued.subject, queued.body), message_id=queued.id)
    async with work.scope() as scope:
        await repository.mark_sent(scope.conn, work.tenant_id, mail_id, now=scope.now)


async def list_outbox(house: House) -> list[SentMail]:
    """The last messages of a development installation, newest first, whosever they are.

    Raises: NotFound: in production nobody reads other people's mail.
    """
    if house.settings.production or house.settings.mail_backend != "outbox":
        raise NotFound("There is nothing at this path.")
    by_region = await ask_regions(
        house.database, Reason.OUTBOX, partial(repository.list_latest, limit=SHOWN)
    )
    latest = sorted(chain(*by_region), key=lambda mail: mail.id, reverse=True)[:SHOWN]
    return [
        SentMail(
            recipient=mail.recipient,
            subject=mail.subject,
            body=mail.body,
            created_at=mail.created_at,
            sent_at=mail.sent_at,
        )
        for mail in latest
    ]
