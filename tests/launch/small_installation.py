"""A supervisor of a database and two sleeping programs, as a process of its own: for the tests."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from leanvibe_server.launch.children import Program
from leanvibe_server.launch.errors import LaunchError
from leanvibe_server.launch.postgres import EmbeddedPostgres
from leanvibe_server.launch.supervisor import (
    StopRequested,
    Supervisor,
    ignore_stop_signals,
    lock_home,
    stop_on_signals,
)

PROGRAMS = tuple(
    Program(name, (sys.executable, "-c", f"import time; time.sleep(600)  # {name}"))
    for name in ("api", "worker")
)


def run(home: Path) -> None:
    with suppress(StopRequested), stop_on_signals(), lock_home(home):
        supervisor = Supervisor(home, postgres=EmbeddedPostgres(home, durable=False))
        try:
            supervisor.clear_strays(PROGRAMS)
            supervisor.start_database()
            supervisor.start_children(PROGRAMS, env={**os.environ, "LEANVIBE_HOME": str(home)})
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            supervisor.run()
        finally:
            ignore_stop_signals()
            supervisor.stop()


if __name__ == "__main__":
    try:
        run(Path(sys.argv[1]))
    except LaunchError as error:
        sys.exit(str(error))
