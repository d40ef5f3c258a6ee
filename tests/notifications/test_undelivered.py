"""An installation in production that delivers no mail says so."""

from dataclasses import replace
from typing import Literal

import httpx
import pytest
import structlog
from structlog.testing import capture_logs

from leanvibe_server import wiring
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.house import House
from tests.conftest import Ground
from tests.given import Organisation
from tests.web.conftest import EnterAs, arrive, enter_as

__all__ = ["arrive", "enter_as"]


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "keeps_mail", property(lambda _: True))


@pytest.mark.parametrize(
    ("environment", "backend", "kept"),
    [
        ("production", "outbox", True),
        ("production", "console", True),
        ("production", "smtp", False),
        ("development", "outbox", False),
    ],
)
async def test_each_process_warns_at_its_start(
    ground: Ground,
    monkeypatch: pytest.MonkeyPatch,
    environment: Literal["development", "production"],
    backend: str,
    kept: bool,
) -> None:
    settings = replace(ground.settings, environment=environment, mail_backend=backend)
    with capture_logs() as lines:
        monkeypatch.setattr(wiring, "logger", structlog.get_logger)
        house = await wiring.open_house(settings)
    await house.database.close()
    assert ("mail is not delivered" in [line["event"] for line in lines]) == kept


async def test_health_names_the_mail(client: httpx.AsyncClient, kept: None) -> None:
    health = (await client.get("/health")).json()
    assert health["services"]["mail"] == {"status": "not_delivered"}


async def test_health_has_no_such_service_where_mail_is_delivered(
    client: httpx.AsyncClient, house: House
) -> None:
    house.settings = replace(house.settings, mail_backend="smtp")
    assert "mail" not in (await client.get("/health")).json()["services"]


async def test_the_overview_tells_administrators_alone(
    enter_as: EnterAs, acme: Organisation, kept: None
) -> None:
    for role, told in (("admin", True), ("developer", False)):
        visitor = await enter_as(acme, role)
        await visitor.open("/")
        assert ("This installation delivers no mail." in visitor.text) == told
