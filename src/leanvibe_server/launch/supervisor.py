"""The supervisor: keeps database, API and worker alive, and takes all of them down with it."""

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import click

from leanvibe_server.kernel.config import Settings
from leanvibe_server.launch import processes
from leanvibe_server.launch.children import Child, Program
from leanvibe_server.launch.errors import AlreadyRunning, DatabaseFailed, LaunchError
from leanvibe_server.launch.postgres import EmbeddedPostgres

_TICK_S: Final = 0.1
_LONGEST_DATABASE_PAUSE_S: Final = 10.0


class StopRequested(BaseException):
    """Someone asked this process to stop. Not an Exception: nothing on the way may keep it."""


_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def ignore_stop_signals() -> None:
    """Let nothing interrupt what follows: it is the stopping itself, and each step has an end."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Turn the first SIGTERM, SIGINT or SIGHUP into StopRequested; further ones are ignored."""

    def request(_number: int, _frame: FrameType | None) -> None:
        ignore_stop_signals()
        raise StopRequested

    before = {number: signal.signal(number, request) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def lock_home(home: Path) -> Iterator[None]:
    """Keep a home to this process. The system frees it however this process ends.

    Raises: AlreadyRunning: another process has it.
    """
    run_dir = home / "run"
    run_dir.mkdir(parents=True, exist_ok=True)
    with (run_dir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            pid = lock.read().strip() or "unknown"
            raise AlreadyRunning(
                f"LeanVibe is already running from {home}, pid {pid}. Stop it with: kill {pid}"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        pid_path = run_dir / "supervisor.pid"
        pid_path.write_text(f"{os.getpid()}\n")
        try:
            yield
        finally:
            pid_path.unlink(missing_ok=True)
            lock.truncate(0)


def _say_on_terminal(line: str) -> None:
    click.echo(line, err=True)


class Supervisor:
    """The processes of one home, in the order they are started."""

    def __init__(
        self,
        home: Path,
        *,
        postgres: EmbeddedPostgres | None,
        say: Callable[[str], None] = _say_on_terminal,
    ) -> None:
        self._home = home
        self._postgres = postgres
        self._postgres_pid_path = home / "run" / "postgres.pid"
        self._children: list[Child] = []
        self._say = say
        self._database_retry_at_s = 0.0
        self._database_pause_s = 0.0

    def clear_strays(self, programs: Sequence[Program]) -> None:
        """Stop what a killed supervisor of this home left running."""
        for program in programs:
            Child(program, home=self._home, env={}).clear_stray()

    def start_database(self, settings: Settings | None = None) -> dict[str, str]:
        """Start the embedded server; the URL of the database of each region of `settings`, which
        are made where they are missing.

        Raises: DatabaseFailed: it does not start.
        """
        if self._postgres is None:
            raise DatabaseFailed("This installation has no embedded database.")
        self._postgres.start()
        self._postgres_pid_path.write_text(f"{self._postgres.pid}\n")
        return {} if settings is None else self._postgres.make_regions(settings)

    def start_children(self, programs: Sequence[Program], *, env: Mapping[str, str]) -> None:
        """Start the programs. From now on `tend` keeps them alive."""
        for program in programs:
            child = Child(program, home=self._home, env=env)
            self._children.append(child)
            child.start()

    def tend(self, *, starting: bool = False) -> None:
        """Look after everything once. `starting` says that nothing has been ready yet.

        Raises: ChildFails: a child cannot be kept alive.
        """
        self._tend_database()
        for child in self._children:
            for line in child.new_errors():
                self._say(f"{child.program.name}: {line}")
            news = child.tend(starting=starting)
            if news is not None:
                self._say(news)

    def run_until(
        self, is_done: Callable[[], bool], *, timeout_s: float, starting: bool = False
    ) -> bool:
        """Tend until something is true. False when `timeout_s` went by before.

        Raises: ChildFails: a child cannot be kept alive.
        """
        end_s = time.monotonic() + timeout_s
        while not is_done():
            if time.monotonic() > end_s:
                return False
            self.tend(starting=starting)
            time.sleep(_TICK_S)
        return True

    def run(self) -> None:
        """Tend for ever, and bury what the children leave behind."""
        while True:
            self.tend()
            processes.bury_orphans(self._own_pids())
            time.sleep(_TICK_S)

    def _own_pids(self) -> set[int]:
        pids = [child.pid for child in self._children]
        if self._postgres is not None:
            pids.append(self._postgres.child_pid)
        return {pid for pid in pids if pid is not None}

    def stop(self) -> None:
        """End API and worker, then the database. Leaves no process."""
        for child in self._children:
            child.ask_to_stop()
        for child in self._children:
            child.stop()
        self._children.clear()
        if self._postgres is not None:
            self._postgres.stop()
            self._postgres_pid_path.unlink(missing_ok=True)

    def _tend_database(self) -> None:
        if self._postgres is None or self._postgres.is_running():
            self._database_pause_s = 0.0
            return
        if time.monotonic() < self._database_retry_at_s:
            return
        self._say("postgres ended; starting it again")
        try:
            self.start_database()
        except (LaunchError, OSError) as error:
            self._database_pause_s = min(
                max(1.0, self._database_pause_s * 2), _LONGEST_DATABASE_PAUSE_S
            )
            self._database_retry_at_s = time.monotonic() + self._database_pause_s
            self._say(f"{error}; next try in {self._database_pause_s:g} s")
