"""Mail to a real SMTP server: what arrives, what is refused, and what is tried again."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiosmtplib
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from leanvibe_server.kernel.clock import SystemClock
from leanvibe_server.kernel.config import ConfigError, Settings
from leanvibe_server.kernel.mail import Mail, MailRefused
from leanvibe_server.notifications.smtp import SmtpSender
from tests.peers.certificates import self_signed
from tests.peers.pgbouncer import free_port

MAIL = Mail("ada@example.com", "Grüße, and a long subject " + "x" * 90, "Guten Tag.\n.\nEnd")


@dataclass
class Office:
    """What the server answers to, and what it took."""

    recipient_answer: str = "250 OK"
    data_answer: str = "250 OK"
    taken: list[bytes] = field(default_factory=list)
    users: list[bytes | None] = field(default_factory=list)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.recipient_answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient_answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.data_answer.startswith("250"):
            self.taken.append(bytes(envelope.content or b""))
            self.users.append(session.auth_data.login if session.auth_data else None)
        return self.data_answer


def _authenticate(*words: Any) -> AuthResult:
    data = words[-1]
    right = isinstance(data, LoginPassword) and data.password == b"secret"
    return AuthResult(success=right, handled=False, auth_data=data)


@contextmanager
def serving(office: Office, **options: Any) -> Iterator[Settings]:
    """The server on a free port, and settings that lead to it."""
    port = free_port()
    controller = Controller(office, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield Settings(
            mail_backend="smtp",
            mail_from="LeanVibe <no-reply@leanvibe.example>",
            smtp_host="localhost",
            smtp_port=port,
            smtp_tls="none",
            smtp_timeout_s=5,
        )
    finally:
        controller.stop()


async def send(settings: Settings, mail: Mail = MAIL, message_id: UUID | None = None) -> None:
    await SmtpSender(settings, SystemClock()).send(mail, message_id=message_id or uuid4())


async def test_a_message_arrives_as_it_was_written() -> None:
    office, message_id = Office(), uuid4()
    with serving(office) as settings:
        await send(settings, message_id=message_id)
    got = message_from_bytes(office.taken[0], policy=default)
    assert got["To"] == MAIL.to
    assert got["Subject"] == MAIL.subject
    assert got["From"] == "LeanVibe <no-reply@leanvibe.example>"
    assert got["Message-ID"] == f"<{message_id}@leanvibe.example>"
    assert got.get_content().split() == MAIL.text.split()


async def test_it_signs_in_over_starttls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = self_signed(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    office = Office()
    with serving(
        office,
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=_authenticate,
    ) as settings:
        known = replace(
            settings, smtp_tls="starttls", smtp_username="house", smtp_password="secret"
        )
        await send(known)
        with pytest.raises(aiosmtplib.SMTPAuthenticationError):
            await send(replace(known, smtp_password="wrong"))
    assert office.users == [b"house"]


async def test_a_server_whose_certificate_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    office = Office()
    with (
        serving(office, tls_context=context, require_starttls=True) as settings,
        pytest.raises((aiosmtplib.SMTPException, ssl.SSLError)),
    ):
        await send(replace(settings, smtp_tls="starttls"))
    assert office.taken == []


@pytest.mark.parametrize("place", ["recipient_answer", "data_answer"])
async def test_a_server_that_is_busy_is_tried_again_and_one_that_refuses_is_not(
    place: str,
) -> None:
    office = Office()
    with serving(office) as settings:
        setattr(office, place, "451 come back later")
        with pytest.raises(aiosmtplib.SMTPException):
            await send(settings)
        setattr(office, place, "550 nobody of that name")
        with pytest.raises(MailRefused, match="550"):
            await send(settings)
        setattr(office, place, "250 OK")
        await send(settings)
    assert len(office.taken) == 1


@pytest.mark.parametrize(
    "mail",
    [
        Mail("ada@example.com", "Hello\r\nBcc: eve@example.com", "text"),
        Mail("ada@example.com\r\nBcc: eve@example.com", "Hello", "text"),
        Mail("ada@example.com, eve@example.com", "Hello", "text"),
    ],
)
async def test_nobody_adds_headers_or_recipients_to_a_message(mail: Mail) -> None:
    office = Office()
    with serving(office) as settings, pytest.raises(MailRefused):
        await send(settings, mail)
    assert office.taken == []


async def test_a_server_that_is_not_there_leaves_the_message_for_later() -> None:
    with serving(Office()) as settings:
        pass
    with pytest.raises((OSError, aiosmtplib.SMTPException)):
        await send(settings)


def test_settings_that_cannot_work_are_refused_at_the_start() -> None:
    for wrong in (
        {"MAIL_BACKEND": "smtp"},
        {"MAIL_BACKEND": "post"},
        {"SMTP_TLS": "perhaps"},
        {"SMTP_PORT": "99999"},
    ):
        with pytest.raises(ConfigError):
            Settings.from_env(wrong)


def test_the_server_is_a_real_one() -> None:
    with serving(Office()) as settings, smtplib.SMTP("localhost", settings.smtp_port) as plain:
        assert plain.ehlo()[0] == 250
