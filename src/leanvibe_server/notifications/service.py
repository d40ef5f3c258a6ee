"""Use cases of notifications: hand a message over, look at what was sent."""

from functools import partial
from itertools import chain
from uuid import UUID

from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import MAX_ATTEMPTS, Work
from leanvibe_server.kernel.log import logger
from leanvibe_server.kernel.mail import Mail, MailRefused, MailSender
from leanvibe_server.kernel.platform import Reason, ask_reachable
from leanvibe_server.kernel.sealing import unseal
from leanvibe_server.kernel.sms import BODY_PLACE, RECIPIENT_PLACE, Sms, SmsRefused, SmsSender
from leanvibe_server.notifications import repository
from leanvibe_server.notifications.schemas import SentMail

SHOWN = 50


async def send_mail(work: Work, sender: MailSender, mail_id: UUID) -> None:
    """Hand a queued message to the sender, and note when.

    No transaction is open while the sender is at it; one that crashes in between sends again
    under the same message id. What was refused for good, or too often, is given up; the queue
    and the row keep the reason. Links and codes in the text are then forgotten.
    """
    async with work.scope() as scope:
        queued = await repository.find_mail(scope.conn, work.tenant_id, mail_id)
    if queued is None or queued.sent_at is not None or queued.failed_at is not None:
        return
    mail = Mail(queued.recipient, queued.subject, queued.body)
    try:
        await sender.send(mail, message_id=queued.id)
    except MailRefused as error:
        await _give_up(work, mail_id, str(error))
        return
    except Exception as error:
        if work.attempt + 1 >= MAX_ATTEMPTS:
            await _give_up(work, mail_id, f"{type(error).__name__} in {MAX_ATTEMPTS} attempts")
        raise
    async with work.scope() as scope:
        await repository.mark_sent(
            scope.conn, work.tenant_id, mail_id, now=scope.now, keep_text=_keeps_text(work)
        )


def _keeps_text(work: Work) -> bool:
    """Whether the text stays when nothing is to be done any more: where the outbox is the way to
    read it, and nowhere else."""
    return work.house.settings.mail_backend == "outbox"


async def _give_up(work: Work, mail_id: UUID, failure: str) -> None:
    logger("mail").error("mail given up", message_id=str(mail_id), failure=failure)
    async with work.scope() as scope:
        await repository.mark_failed(
            scope.conn,
            work.tenant_id,
            mail_id,
            failure=failure,
            now=scope.now,
            keep_text=_keeps_text(work),
        )


async def send_sms(work: Work, sender: SmsSender, sms_id: UUID) -> None:
    """Hand a queued text message to the sender, and note when.

    As mail, but for its end: a code that has lost its worth is not sent any more. Once it is on
    its way, number and text are forgotten.
    """
    async with work.scope() as scope:
        queued = await repository.find_sms(scope.conn, work.tenant_id, sms_id)
        if queued is None or queued.sent_at is not None or queued.failed_at is not None:
            return
        if queued.expires_at <= scope.now:
            await repository.mark_sms_failed(
                scope.conn, work.tenant_id, sms_id, failure="too late", now=scope.now
            )
            return
        to = await unseal(scope, queued.recipient_sealed, place=(*RECIPIENT_PLACE, sms_id))
        text = await unseal(scope, queued.body_sealed, place=(*BODY_PLACE, sms_id))
    try:
        told = await sender.send(Sms(to.decode(), text.decode()), message_id=sms_id)
    except SmsRefused as error:
        await _give_up_sms(work, sms_id, str(error))
        return
    except Exception as error:
        if work.attempt + 1 >= MAX_ATTEMPTS:
            await _give_up_sms(work, sms_id, f"{type(error).__name__} in {MAX_ATTEMPTS} attempts")
        raise
    async with work.scope() as scope:
        await repository.mark_sms_sent(
            scope.conn, work.tenant_id, sms_id, provider_id=told, now=scope.now
        )


async def _give_up_sms(work: Work, sms_id: UUID, failure: str) -> None:
    logger("sms").error("sms given up", message_id=str(sms_id), failure=failure)
    async with work.scope() as scope:
        await repository.mark_sms_failed(
            scope.conn, work.tenant_id, sms_id, failure=failure, now=scope.now
        )


async def list_outbox(house: House) -> list[SentMail]:
    """The last messages of a development installation, newest first, whosever they are.

    Raises: NotFound: in production nobody reads other people's mail.
    """
    if house.settings.production or house.settings.mail_backend != "outbox":
        raise NotFound("There is nothing at this path.")
    by_region, _ = await ask_reachable(
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
            failure=mail.failure,
        )
        for mail in latest
    ]
