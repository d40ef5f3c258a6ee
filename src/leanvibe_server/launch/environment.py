"""The environment of a start: the process's own, over the `.env` file beside the product."""

from collections.abc import Mapping
from pathlib import Path


def read_environment(env: Mapping[str, str], *, directory: Path) -> dict[str, str]:
    """`env` with the settings of `.env` that it does not name itself."""
    path = directory / ".env"
    return {**(parse_dotenv(path.read_text()) if path.is_file() else {}), **env}


def parse_dotenv(text: str) -> dict[str, str]:
    """The NAME=value lines of a file; blank lines and lines that begin with # are skipped.

    A value may stand in quotes, which are taken off; nothing in it is expanded.
    """
    values = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            values[name.strip()] = _unquote(value.strip())
    return values


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value
