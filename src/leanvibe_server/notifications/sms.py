"""Text messages: the log, for development, and Twilio's Messages resource over HTTP."""

import base64
from urllib.parse import quote, urlencode
from uuid import UUID

import msgspec

from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.log import logger
from leanvibe_server.kernel.outbound import OutboundClient, Unreachable
from leanvibe_server.kernel.sms import Sms, SmsRefused, SmsSender

TIMEOUT_S = 10.0
# The job tries again, with longer waits than a request may take.
TRIES = 1


class ConsoleSms:
    """Writes the message to the log of a development installation."""

    async def send(self, sms: Sms, *, message_id: UUID) -> str:
        logger("sms").info("sms", message_id=str(message_id), to=sms.to, text=sms.text)
        return "console"


class NoSms:
    """For installations that send none."""

    async def send(self, sms: Sms, *, message_id: UUID) -> str:
        raise SmsRefused("this installation sends no text messages")


class TwilioSms:
    """Twilio, API version 2010-04-01. Source: Twilio, "Messages resource"."""

    def __init__(self, settings: Settings, client: OutboundClient) -> None:
        self._settings = settings
        self._client = client

    async def send(self, sms: Sms, *, message_id: UUID) -> str:
        """Raises: SmsRefused: Twilio will not deliver it. Unreachable: it may later."""
        settings = self._settings
        account = quote(settings.twilio_account_sid, safe="")
        origin = "MessagingServiceSid" if settings.twilio_from.startswith("MG") else "From"
        form = {"To": sms.to, origin: settings.twilio_from, "Body": sms.text}
        secret = f"{settings.twilio_account_sid}:{settings.twilio_auth_token}"
        answer = await self._client.request(
            "POST",
            f"{settings.twilio_url.rstrip('/')}/2010-04-01/Accounts/{account}/Messages.json",
            headers={
                "Authorization": "Basic " + base64.b64encode(secret.encode()).decode(),
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            },
            content=urlencode(form).encode(),
            idempotency_key=str(message_id),
        )
        told = _read(answer.content)
        if answer.status_code == 201 and told.sid:
            return told.sid
        if answer.status_code in (401, 403):
            # The operator's to mend, not the message's fault: it waits.
            raise Unreachable(f"Twilio refuses our credentials ({answer.status_code})")
        raise SmsRefused(f"Twilio answered {answer.status_code}, code {told.code}")


class _Told(msgspec.Struct):
    """What of Twilio's answer counts."""

    sid: str | None = None
    code: int | None = None


def _read(content: bytes) -> _Told:
    try:
        return msgspec.json.decode(content, type=_Told)
    except msgspec.DecodeError:
        return _Told()


def sms_sender_of(house: House) -> SmsSender:
    """The sender that the settings name."""
    settings = house.settings
    if settings.sends_sms == "twilio":
        client = OutboundClient(
            allow_private=not settings.production, timeout_s=TIMEOUT_S, tries=TRIES
        )
        return TwilioSms(settings, client)
    return ConsoleSms() if settings.sends_sms == "console" else NoSms()
