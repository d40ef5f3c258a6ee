"""Text messages are handed over once, in time, and forgotten; Twilio is spoken to as it asks."""

import base64
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs
from uuid import UUID

import asyncpg
import httpx
import pytest

from leanvibe_server.kernel.config import ConfigError, Settings
from leanvibe_server.kernel.jobs import MAX_ATTEMPTS, Work
from leanvibe_server.kernel.outbound import OutboundClient, Unreachable
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.kernel.sms import Sms, SmsRefused, queue_sms
from leanvibe_server.notifications import service
from leanvibe_server.notifications.sms import ConsoleSms, NoSms, TwilioSms, sms_sender_of
from tests.conftest import FakeClock
from tests.given import Organisation

SMS = Sms("+14155550123", "123456 is your LeanVibe code.")
ACCOUNT = "AC" + "0" * 32
TWILIO = Settings(
    sms_backend="twilio",
    twilio_account_sid=ACCOUNT,
    twilio_auth_token="token",
    twilio_from="+14155550100",
)


class FakeTwilio:
    """Twilio's Messages resource as its reference describes it."""

    def __init__(self, status: int = 201, code: int | None = None) -> None:
        self.status, self.code = status, code
        self.asked: list[tuple[httpx.Request, dict[str, list[str]]]] = []

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        form = parse_qs(request.content.decode(), strict_parsing=True)
        self.asked.append((request, form))
        given = base64.b64encode(f"{ACCOUNT}:token".encode()).decode()
        if request.headers["authorization"] != f"Basic {given}":
            return httpx.Response(401, json={"code": 20003, "message": "Authenticate"})
        if request.url.path != f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json":
            return httpx.Response(404, json={"code": 20404})
        if self.status != 201:
            return httpx.Response(self.status, json={"code": self.code, "message": "no"})
        return httpx.Response(
            201, json={"sid": "SM" + "1" * 32, "status": "queued", "to": form["To"][0]}
        )


def sender(twilio: FakeTwilio, settings: Settings = TWILIO) -> TwilioSms:
    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.216.34"]

    client = OutboundClient(tries=1, resolve=resolve, transport=twilio.transport())
    return TwilioSms(settings, client)


async def queue(organisation: Organisation) -> UUID:
    house = organisation.house
    async with house.database.tenant(organisation.id) as conn:
        scope = Scope(conn, organisation.id, SYSTEM, house.clock, house)
        return await queue_sms(scope, SMS, good_for=timedelta(minutes=10))


async def test_twilio_gets_what_it_asks_for() -> None:
    twilio = FakeTwilio()
    assert await sender(twilio).send(SMS, message_id=UUID(int=7)) == "SM" + "1" * 32
    [(request, form)] = twilio.asked
    assert form == {"To": [SMS.to], "From": ["+14155550100"], "Body": [SMS.text]}
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["host"] == "api.twilio.com"
    assert request.headers["idempotency-key"] == str(UUID(int=7))
    service_sid = replace(TWILIO, twilio_from="MG" + "2" * 32)
    await sender(twilio, service_sid).send(SMS, message_id=UUID(int=8))
    assert twilio.asked[1][1]["MessagingServiceSid"] == ["MG" + "2" * 32]
    assert "From" not in twilio.asked[1][1]


async def test_what_twilio_will_never_deliver_is_given_up_and_the_rest_tried_again() -> None:
    for status, code in ((400, 21211), (400, 21610), (404, 20404)):
        with pytest.raises(SmsRefused, match=str(code)):
            await sender(FakeTwilio(status, code)).send(SMS, message_id=UUID(int=7))
    for status, code in ((429, 20429), (500, None), (503, None)):
        with pytest.raises(Unreachable):
            await sender(FakeTwilio(status, code)).send(SMS, message_id=UUID(int=7))
    wrong = replace(TWILIO, twilio_auth_token="other")
    with pytest.raises(Unreachable):
        await sender(FakeTwilio(), wrong).send(SMS, message_id=UUID(int=7))


async def test_a_message_is_sealed_handed_over_once_and_forgotten(
    acme: Organisation, admin: asyncpg.Connection
) -> None:
    sms_id, twilio = await queue(acme), FakeTwilio()
    kept = await admin.fetchrow("SELECT * FROM outgoing_sms WHERE id = $1", sms_id)
    assert SMS.to.encode() not in kept["recipient_sealed"]
    assert b"123456" not in kept["body_sealed"]
    work = Work(acme.house, acme.id, 0)
    await service.send_sms(work, sender(twilio), sms_id)
    await service.send_sms(work, sender(twilio), sms_id)
    assert len(twilio.asked) == 1
    kept = await admin.fetchrow("SELECT * FROM outgoing_sms WHERE id = $1", sms_id)
    assert kept["sent_at"] == acme.house.clock.now()
    assert kept["provider_id"] == "SM" + "1" * 32
    assert (kept["recipient_sealed"], kept["body_sealed"]) == (b"", b"")


async def test_a_message_is_not_sent_when_it_is_of_no_use_any_more(
    acme: Organisation, clock: FakeClock, admin: asyncpg.Connection
) -> None:
    sms_id, twilio = await queue(acme), FakeTwilio()
    clock.advance(minutes=10)
    await service.send_sms(Work(acme.house, acme.id, 0), sender(twilio), sms_id)
    assert twilio.asked == []
    failure = await admin.fetchval("SELECT failure FROM outgoing_sms WHERE id = $1", sms_id)
    assert failure == "too late"


async def test_a_message_is_tried_again_and_in_the_end_given_up(
    acme: Organisation, admin: asyncpg.Connection
) -> None:
    sms_id = await queue(acme)
    broken = sender(FakeTwilio(503))
    for attempt in (0, MAX_ATTEMPTS - 1):
        with pytest.raises(Unreachable):
            await service.send_sms(Work(acme.house, acme.id, attempt), broken, sms_id)
    failure = await admin.fetchval("SELECT failure FROM outgoing_sms WHERE id = $1", sms_id)
    assert failure == f"Unreachable in {MAX_ATTEMPTS} attempts"


async def test_the_settings_name_the_sender(acme: Organisation) -> None:
    house = acme.house
    assert isinstance(sms_sender_of(house), ConsoleSms)
    house.settings = replace(house.settings, environment="production")
    assert isinstance(sms_sender_of(house), NoSms)
    house.settings = TWILIO
    assert isinstance(sms_sender_of(house), TwilioSms)
    with pytest.raises(SmsRefused):
        await NoSms().send(SMS, message_id=UUID(int=7))
    with pytest.raises(ConfigError, match="TWILIO_AUTH_TOKEN"):
        Settings.from_env({"SMS_BACKEND": "twilio", "TWILIO_ACCOUNT_SID": ACCOUNT})
