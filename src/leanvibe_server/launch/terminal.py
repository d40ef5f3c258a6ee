"""What a person sees while the product starts, and when it runs."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from leanvibe_server.kernel.config import Settings
from leanvibe_server.launch.demo_facts import read_facts
from leanvibe_server.launch.sandbox_setup import SandboxState

_NAME_WIDTH: Final = 24
_CLIENT_DEFAULT_URL: Final = "http://localhost:8765"


@contextmanager
def stage(name: str) -> Iterator[None]:
    """One line of progress: the name at once, the time it took when it is done."""
    began_s = time.monotonic()
    click.echo(f"  {name:<{_NAME_WIDTH}}", nl=False)
    sys.stdout.flush()
    try:
        yield
    except BaseException:
        click.echo(" stopped")
        raise
    click.echo(f"{time.monotonic() - began_s:6.1f} s")


def greet(settings: Settings, *, sandbox: SandboxState, took_s: float) -> None:
    """Say where the product is, who may sign in, and what to do next."""
    click.echo(f"\nLeanVibe Enterprise runs at {settings.base_url} (after {took_s:.1f} s)")
    demo = read_facts(settings)
    if demo is not None:
        click.echo("\nDemo accounts (more in demo.json):")
        width = max(len(user["email"]) for user in demo["users"].values())
        for role, user in demo["users"].items():
            click.echo(f"  {role:<16}{user['email']:<{width}}  {user['password']}")
    if not sandbox.ready:
        click.echo(f"\nNo sandbox: {sandbox.reason}. Tasks will fail with sandbox_unavailable.")
        click.echo(f"  To mend it, run: {sandbox.command}")
    click.echo("\nNext:")
    for line in _next_commands(settings, demo):
        click.echo(f"  {line}")
    click.echo("\nCtrl-C stops everything.")
    sys.stdout.flush()


def _next_commands(settings: Settings, demo: dict[str, Any] | None) -> list[str]:
    client = Path(sys.executable).with_name("leanvibe")
    if client.is_relative_to(Path.cwd()):
        client = client.relative_to(Path.cwd())
    login = f"{client} login"
    if settings.base_url != _CLIENT_DEFAULT_URL:
        login = f"{client} --base-url {settings.base_url} login"
    if demo is None:
        return [
            f"{client.with_name('leanvibe-server')} admin create --email you@example.com",
            f"{login} --email you@example.com",
            f"open {settings.base_url}",
        ]
    email = demo["users"]["developer"]["email"]
    project = demo["projects"]["acme"]["id"]
    return [
        f"open {settings.base_url}",
        f"{login} --email {email}",
        f'{client} tasks run --project {project} --title "Fix the lint findings" --watch',
    ]
