"""Under load, answers of the desk that compares passwords leave a few at a time."""

import asyncio
import threading
from collections.abc import Callable
from typing import Literal

import pytest
from argon2 import PasswordHasher

from leanvibe_server.identity.passwords import TOGETHER, PasswordDesk

AT_ONCE, BREAKS = "at once", "breaks"


class Held(PasswordHasher):
    """Lets one comparison end for each time it is told to, but for words of their own."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64)
        self.leave = threading.Semaphore(0)

    def verify(self, kept: str | bytes, said: str | bytes) -> Literal[True]:
        if said == BREAKS:
            raise ZeroDivisionError
        assert said == AT_ONCE or self.leave.acquire(timeout=10)
        return True

    def let(self, number: int) -> None:
        for _ in range(number):
            self.leave.release()


@pytest.fixture
def hasher() -> Held:
    return Held()


@pytest.fixture
def desk(hasher: Held) -> PasswordDesk:
    return PasswordDesk(hasher)


def _ask(desk: PasswordDesk, number: int) -> list[asyncio.Task[bool]]:
    return [asyncio.create_task(desk.verify("kept", "said")) for _ in range(number)]


def _done(tasks: list[asyncio.Task[bool]]) -> int:
    return sum(task.done() for task in tasks)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)


async def test_answers_leave_together_while_others_wait(desk: PasswordDesk, hasher: Held) -> None:
    tasks = _ask(desk, TOGETHER + 3)
    hasher.let(TOGETHER - 1)
    await _until(lambda: len(desk._held) == TOGETHER - 1)
    assert _done(tasks) == 0
    hasher.let(1)
    await _until(lambda: _done(tasks) == TOGETHER)
    hasher.let(3)
    assert all(await asyncio.gather(*tasks))


async def test_one_alone_is_not_held(desk: PasswordDesk, hasher: Held) -> None:
    (task,) = _ask(desk, 1)
    hasher.let(1)
    assert await asyncio.wait_for(task, 5)


async def test_those_who_give_up_leave_nobody_behind(desk: PasswordDesk, hasher: Held) -> None:
    quick = asyncio.create_task(desk.verify("kept", AT_ONCE))
    others = _ask(desk, 2)
    await _until(lambda: len(desk._held) == 1)
    for task in others:
        task.cancel()
    assert await asyncio.wait_for(quick, 5)
    hasher.let(2)


async def test_a_comparison_that_breaks_leaves_nobody_behind(
    desk: PasswordDesk, hasher: Held
) -> None:
    quick = asyncio.create_task(desk.verify("kept", AT_ONCE))
    broken = [asyncio.create_task(desk.verify("kept", BREAKS)) for _ in range(2)]
    assert await asyncio.wait_for(quick, 5)
    with pytest.raises(ZeroDivisionError):
        await broken[0]
    with pytest.raises(ZeroDivisionError):
        await broken[1]
