"""The whole product, started the way a newcomer starts it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from leanvibe_server.launch import processes

NAMES = ("api", "worker", "postgres")
START = (sys.executable, "-m", "leanvibe_server.cli", "start")


class Product:
    """One running product."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.env = {**os.environ, "LEANVIBE_HOME": str(self.home), "PORT": str(self.port)}
        self.directory = directory
        self.output = directory / "output.txt"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                START, cwd=directory, env=self.env, stdout=output, stderr=output
            )

    def get_status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    def wait_ready(self) -> None:
        end = time.monotonic() + 60
        while self.get_status("/health/ready") != 200:
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < end, self.output.read_text()
            time.sleep(0.1)

    def wait_greeting(self) -> str:
        assert processes.wait_gone(
            lambda: "Ctrl-C stops everything" not in self.output.read_text(), timeout_s=60
        )
        return self.output.read_text()

    def read_pid(self, name: str) -> int | None:
        return processes.read_pid(self.home / "run" / f"{name}.pid")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    product = Product(tmp_path_factory.mktemp("product"))
    product.wait_ready()
    yield product
    if product.process.poll() is None:
        product.stop()


def test_it_greets_with_the_address_the_accounts_and_three_commands(product: Product) -> None:
    greeting = product.wait_greeting()

    facts = json.loads((product.home / "demo.json").read_text())
    assert f"LeanVibe Enterprise runs at http://localhost:{product.port}" in greeting
    assert all(user["email"] in greeting for user in facts["users"].values())
    next_commands = greeting.partition("Next:\n")[2].partition("\n\n")[0]
    assert len(next_commands.splitlines()) == 3
    assert facts["projects"]["acme"]["id"] in next_commands


def test_the_guest_of_the_demo_goes_by_themselves(product: Product) -> None:
    owner = json.loads((product.home / "demo.json").read_text())["users"]["owner"]
    with httpx.Client(base_url=f"http://127.0.0.1:{product.port}/v1", timeout=20) as client:
        token = client.post("/auth/login", json=owner).json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        [guest] = client.get("/users?role=guest", headers=bearer).json()["data"]
    assert guest["expires_at"] is not None


def test_every_stage_has_its_line_and_time(product: Product) -> None:
    lines = product.wait_greeting().splitlines()[:5]

    assert [line.split("  ")[1] for line in lines] == [
        "PostgreSQL 18",
        "Schema",
        "Demo",
        "API and worker",
        "Sandbox",
    ]
    assert all(line.endswith(" s") for line in lines)


def test_the_demos_facts_are_for_their_owner_only(product: Product) -> None:
    assert (product.home / "demo.json").stat().st_mode & 0o777 == 0o600


def test_a_second_start_is_refused_in_one_line(product: Product) -> None:
    second = subprocess.run(
        START, cwd=product.directory, env=product.env, capture_output=True, text=True, check=False
    )

    assert second.returncode == 1
    assert second.stderr == (
        f"leanvibe-server: LeanVibe is already running from {product.home}, "
        f"pid {product.process.pid}. Stop it with: kill {product.process.pid}\n"
    )


def test_another_home_on_the_same_port_is_refused_in_one_line(
    product: Product, tmp_path: Path
) -> None:
    other = subprocess.run(
        START,
        cwd=tmp_path,
        env={**product.env, "LEANVIBE_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert other.returncode == 1
    assert other.stderr.startswith(f"leanvibe-server: Port {product.port} on 127.0.0.1 cannot be")
    assert other.stderr.count("\n") == 1


@pytest.mark.parametrize("name", NAMES)
def test_it_is_ready_again_after_a_kill_of_any_part(product: Product, name: str) -> None:
    product.wait_greeting()
    killed = product.read_pid(name)
    assert killed is not None
    os.kill(killed, signal.SIGKILL)

    assert processes.wait_gone(
        lambda: (
            product.read_pid(name) in (killed, None) or not processes.runs(product.read_pid(name))
        ),
        timeout_s=20,
    )
    product.wait_ready()


def test_the_other_doors_find_the_running_database(product: Product) -> None:
    done = subprocess.run(
        [*START[:-1], "migrate"],
        cwd=product.directory,
        env=product.env,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("The database is up to date.\n", "")
    assert product.read_pid("postgres") is not None


def test_a_stop_leaves_no_process_and_the_next_start_finds_everything(product: Product) -> None:
    product.wait_greeting()
    pids = [product.read_pid(name) for name in NAMES]
    before = (product.home / "demo.json").read_bytes()

    assert product.stop() == 0
    assert [pid for pid in pids if pid is None or processes.find_command(pid)] == []
    assert product.output.read_text().endswith("Stopped.\n")

    again = subprocess.Popen(START, cwd=product.directory, env=product.env)
    try:
        product.process = again
        product.wait_ready()
        assert (product.home / "demo.json").read_bytes() == before
    finally:
        assert product.stop() == 0
