"""The login kept between commands, in a file only its owner can read."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from leanvibe.tokens import Tokens

if sys.platform != "win32":  # there, commands that renew at the same moment are not kept apart
    import fcntl


def config_path(environ: Mapping[str, str]) -> Path:
    """`LEANVIBE_CONFIG`, else `leanvibe/config.json` in the user's configuration folder."""
    named = environ.get("LEANVIBE_CONFIG")
    if named:
        return Path(named).expanduser()
    folder = environ.get("XDG_CONFIG_HOME")
    return (Path(folder) if folder else Path.home() / ".config") / "leanvibe" / "config.json"


class Config:
    """The file with the address, the e-mail and the tokens of the last login."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Any]:
        """What is stored; nothing when there is no file.

        Raises:
            click.ClickException: the file is there but cannot be read.
        """
        try:
            stored = json.loads(self.path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as problem:
            raise click.ClickException(
                f"{self.path} cannot be read ({problem}). Delete it and run: leanvibe login"
            ) from None
        return stored if isinstance(stored, dict) else {}

    def write(self, values: Mapping[str, Any]) -> None:
        """Replace the file in one step, so that no reader sees half of it."""
        try:
            self._folder()
            # mkstemp makes the file with mode 0600.
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".config-")
            with os.fdopen(handle, "w") as file:
                json.dump(dict(values), file, indent=2)
            Path(name).replace(self.path)
        except OSError as problem:
            raise click.ClickException(f"{self.path} cannot be written ({problem}).") from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands of this user out for the moment."""
        try:
            self._folder()
            lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as problem:
            raise click.ClickException(f"{self.path} cannot be written ({problem}).") from None
        try:
            if sys.platform != "win32":
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _folder(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


class StoredTokens:
    """The tokens in the configuration file, for the one address they belong to."""

    def __init__(self, config: Config, base_url: str) -> None:
        self._config = config
        self._base_url = base_url

    def load(self) -> Tokens | None:
        """The tokens; None when the login is for another address, which must never see them."""
        stored = self._config.read()
        if stored.get("base_url") != self._base_url or not stored.get("access_token"):
            return None
        return Tokens(stored["access_token"], stored.get("refresh_token"))

    def save(self, tokens: Tokens | None) -> None:
        """Replace the tokens, or forget them."""
        stored = self._config.read()
        if tokens is None and stored.get("base_url") != self._base_url:
            return
        kept = {"email": stored.get("email")} if stored.get("base_url") == self._base_url else {}
        values = {"base_url": self._base_url, **kept}
        if tokens is not None:
            values |= {
                "access_token": tokens.access_token,
                "refresh_token": tokens.refresh_token,
            }
        self._config.write(values)

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """One command at a time renews the session: refresh tokens are single use."""
        with self._config.locked():
            yield
