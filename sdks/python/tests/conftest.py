"""A real API on the loopback interface, and clients that do not sleep."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from loopback import LoopbackApi, Stage, serving

from leanvibe import LeanVibeClient, LeanVibeClientSync, MemoryTokenStore, Tokens


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "BASE_URL", "TENANT_ID", "CONFIG"):
        monkeypatch.delenv(f"LEANVIBE_{name}", raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    with serving(Stage()) as running:
        yield running


@pytest.fixture
def api(stage: Stage) -> LoopbackApi:
    return stage.show(LoopbackApi())


class Naps:
    """Sleeping that takes no time and is remembered."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def asleep(self, seconds: float) -> None:
        self.seconds.append(seconds)

    def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture
def client(api: LoopbackApi, naps: Naps) -> Iterator[LeanVibeClientSync]:
    """A blocking client with an API key."""
    with LeanVibeClientSync(
        api_key="lv_test_key", base_url=api.base_url, sleep=naps.sleep, random=lambda: 1.0
    ) as opened:
        yield opened


@pytest.fixture
async def aclient(api: LoopbackApi, naps: Naps) -> AsyncIterator[LeanVibeClient]:
    """An async client in a session whose access token the server knows."""
    store = MemoryTokenStore(Tokens("access-0", "refresh-0"))
    async with LeanVibeClient(
        base_url=api.base_url, token_store=store, sleep=naps.asleep, random=lambda: 1.0
    ) as opened:
        yield opened
