"""The sample of all settings cannot fall behind the settings."""

from pathlib import Path

from leanvibe_server.kernel.config import Settings, describe_settings
from leanvibe_server.launch.environment import parse_dotenv

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def test_it_lists_every_setting_with_its_default_and_explanation() -> None:
    blocks = EXAMPLE.read_text().strip().split("\n\n")[1:]

    assert blocks == [
        f"# {explanation}\n{name}={default}" for name, default, explanation in describe_settings()
    ]


def test_as_it_stands_it_changes_nothing() -> None:
    assert Settings.from_env(parse_dotenv(EXAMPLE.read_text())) == Settings()
