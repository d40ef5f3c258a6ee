"""Text messages: the port, and the row a job sends them from."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from leanvibe_server.kernel.sealing import seal

if TYPE_CHECKING:
    from leanvibe_server.kernel.scope import Scope

SEND_SMS = "sms.send"
RECIPIENT_PLACE = ("outgoing_sms", "recipient_sealed")
BODY_PLACE = ("outgoing_sms", "body_sealed")


@dataclass(frozen=True)
class Sms:
    """One text message to one number, in E.164."""

    to: str
    text: str


class SmsRefused(Exception):
    """The provider will not deliver this message, however often it is asked."""


class SmsSender(Protocol):
    """Hands a message over; the provider's name for it is returned. Called by a job, never inside
    a request's transaction."""

    async def send(self, sms: Sms, *, message_id: UUID) -> str:
        """Raises: SmsRefused: for good. Unreachable: try again."""
        ...


QUEUE_SMS = """
INSERT INTO outgoing_sms (tenant_id, id, recipient_sealed, body_sealed, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""


async def queue_sms(scope: "Scope", sms: Sms, *, good_for: timedelta) -> UUID:
    """Keep the message in the caller's transaction and have a job send it, if it can within
    `good_for`. Number and text are sealed."""
    sms_id = scope.new_id()
    await scope.conn.execute(
        QUEUE_SMS,
        scope.tenant_id,
        sms_id,
        await seal(scope, sms.to.encode(), place=(*RECIPIENT_PLACE, sms_id)),
        await seal(scope, sms.text.encode(), place=(*BODY_PLACE, sms_id)),
        scope.now,
        scope.now + good_for,
    )
    await scope.enqueue(SEND_SMS, sms_id=sms_id)
    return sms_id
