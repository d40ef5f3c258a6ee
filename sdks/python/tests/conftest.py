"""A real API on the loopback interface, and clients that do not sleep."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from loopback import LoopbackApi, Stage, serving

from leanvibe import LeanVibeClient, LeanVibeClientSync, MemoryTokenStore, Tokens

Run = Callable[..., subprocess.CompletedProcess[str]]
PROGRAM = [sys.executable, "-m", "leanvibe"]


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


@pytest.fixture
def environment(api: LoopbackApi, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LEANVIBE_BASE_URL": api.base_url,
        "LEANVIBE_API_KEY": "lv_test_key",
        "LEANVIBE_CONFIG": str(tmp_path / "config" / "config.json"),
        "COLUMNS": "100",
    }


@pytest.fixture
def leanvibe(environment: dict[str, str]) -> Run:
    def run(*arguments: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PROGRAM, *arguments],
            input=stdin,
            env={name: value for name, value in (environment | env).items() if value},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run


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
