"""Queued mail is handed over once; nobody reads other people's mail in production."""

from dataclasses import replace
from uuid import UUID

import pytest

from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.jobs import MAX_ATTEMPTS, Work
from leanvibe_server.kernel.mail import SEND_MAIL, Mail, MailRefused, queue_mail
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.notifications import service
from leanvibe_server.notifications.senders import ConsoleSender, OutboxSender, sender_of
from leanvibe_server.notifications.smtp import SmtpSender
from leanvibe_server.wiring import jobs
from tests.given import Organisation


class Postman:
    """A sender that keeps what it was handed."""

    def __init__(self) -> None:
        self.handed: list[tuple[UUID, Mail]] = []

    async def send(self, mail: Mail, *, message_id: UUID) -> None:
        self.handed.append((message_id, mail))


MAIL = Mail("ada@example.com", "Hello", "How do you do?")


async def _queue(organisation: Organisation) -> UUID:
    house = organisation.house
    async with house.database.tenant(organisation.id) as conn:
        return await queue_mail(Scope(conn, organisation.id, SYSTEM, house.clock, house), MAIL)


async def test_a_queued_mail_is_handed_over_once(acme: Organisation) -> None:
    mail_id, postman = await _queue(acme), Postman()
    work = Work(acme.house, acme.id, 0)
    await service.send_mail(work, postman, mail_id)
    await service.send_mail(work, postman, mail_id)
    assert postman.handed == [(mail_id, MAIL)]
    async with acme.house.database.tenant(acme.id) as conn:
        sent_at = await conn.fetchval("SELECT sent_at FROM outgoing_mail WHERE id = $1", mail_id)
    assert sent_at == acme.house.clock.now()


async def test_a_mail_of_another_tenant_is_not_found(
    acme: Organisation, globex: Organisation
) -> None:
    mail_id, postman = await _queue(acme), Postman()
    await service.send_mail(Work(globex.house, globex.id, 0), postman, mail_id)
    assert postman.handed == []


async def test_a_sender_that_fails_leaves_the_mail_to_be_sent_again(acme: Organisation) -> None:
    class Closed(Postman):
        async def send(self, mail: Mail, *, message_id: UUID) -> None:
            raise ConnectionError("the post office is closed")

    mail_id, postman = await _queue(acme), Postman()
    work = Work(acme.house, acme.id, 0)
    with pytest.raises(ConnectionError):
        await service.send_mail(work, Closed(), mail_id)
    await service.send_mail(work, postman, mail_id)
    assert [handed for handed, _ in postman.handed] == [mail_id]


async def test_the_outbox_is_shown_in_development_only(house: House) -> None:
    settings = house.settings
    for other in (
        replace(settings, environment="production"),
        replace(settings, mail_backend="console"),
    ):
        house.settings = other
        with pytest.raises(NotFound):
            await service.list_outbox(house)


@pytest.mark.parametrize(
    ("backend", "kind"),
    [("outbox", OutboxSender), ("console", ConsoleSender), ("smtp", SmtpSender)],
)
def test_the_worker_sends_mail_by_the_sender_of_the_settings(
    backend: str, kind: type, house: House
) -> None:
    assert SEND_MAIL in jobs().handlers
    house.settings = replace(house.settings, mail_backend=backend)
    assert isinstance(sender_of(house), kind)


async def test_a_mail_that_is_refused_for_good_is_given_up_with_the_reason(
    acme: Organisation,
) -> None:
    class Refusing(Postman):
        async def send(self, mail: Mail, *, message_id: UUID) -> None:
            await super().send(mail, message_id=message_id)
            raise MailRefused("nobody of that name")

    mail_id, postman = await _queue(acme), Refusing()
    for _ in range(2):
        await service.send_mail(Work(acme.house, acme.id, 0), postman, mail_id)
    assert len(postman.handed) == 1
    async with acme.house.database.tenant(acme.id) as conn:
        row = await conn.fetchrow("SELECT * FROM outgoing_mail WHERE id = $1", mail_id)
    assert (row["failure"], row["sent_at"]) == ("nobody of that name", None)


async def test_a_mail_that_fails_too_often_is_given_up(acme: Organisation) -> None:
    class Closed(Postman):
        async def send(self, mail: Mail, *, message_id: UUID) -> None:
            raise ConnectionError("the post office is closed")

    mail_id = await _queue(acme)
    with pytest.raises(ConnectionError):
        await service.send_mail(Work(acme.house, acme.id, MAX_ATTEMPTS - 1), Closed(), mail_id)
    async with acme.house.database.tenant(acme.id) as conn:
        row = await conn.fetchrow("SELECT * FROM outgoing_mail WHERE id = $1", mail_id)
    assert row["failed_at"] == acme.house.clock.now()
    assert "ConnectionError" in row["failure"]


@pytest.mark.parametrize(
    ("backend", "kept"), [("outbox", MAIL.text), ("smtp", ""), ("console", "")]
)
async def test_the_text_of_a_mail_with_its_links_stays_in_no_database_once_it_is_sent(
    acme: Organisation, backend: str, kept: str
) -> None:
    class Refusing(Postman):
        async def send(self, mail: Mail, *, message_id: UUID) -> None:
            raise MailRefused("nobody of that name")

    acme.house.settings = replace(acme.house.settings, mail_backend=backend)
    for postman in (Postman(), Refusing()):
        mail_id = await _queue(acme)
        await service.send_mail(Work(acme.house, acme.id, 0), postman, mail_id)
        async with acme.house.database.tenant(acme.id) as conn:
            text = await conn.fetchval("SELECT body FROM outgoing_mail WHERE id = $1", mail_id)
        assert text == kept
