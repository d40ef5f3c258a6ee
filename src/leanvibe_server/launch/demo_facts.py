"""What the demo consists of, as it is kept for people and their programs: `demo.json`."""

import json
from pathlib import Path
from typing import Any

from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.crypto import write_private

Facts = dict[str, Any]


def facts_path(settings: Settings) -> Path:
    return settings.home / "demo.json"


def read_facts(settings: Settings) -> Facts | None:
    """The accounts, keys and projects of the demo; None before it is made."""
    try:
        facts: Facts = json.loads(facts_path(settings).read_text())
    except (OSError, ValueError):
        return None
    return facts


def write_facts(settings: Settings, facts: Facts) -> None:
    write_private(facts_path(settings), json.dumps(facts, indent=2).encode() + b"\n")
