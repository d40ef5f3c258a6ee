"""Where settings come from: the environment first, then the .env file."""

from pathlib import Path

from leanvibe_server.launch.environment import parse_dotenv, read_environment


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=9000\nHOST=0.0.0.0\n")

    assert read_environment({"PORT": "9001"}, directory=tmp_path) == {
        "PORT": "9001",
        "HOST": "0.0.0.0",
    }


def test_a_missing_file_changes_nothing(tmp_path: Path) -> None:
    assert read_environment({"PORT": "9001"}, directory=tmp_path) == {"PORT": "9001"}


def test_values_are_taken_as_they_stand() -> None:
    text = """
# a comment
MAIL_FROM=LeanVibe <no-reply@localhost>
export SIGNUP='open'
MASTER_KEY="a b=="
#PORT=1
nonsense
"""
    assert parse_dotenv(text) == {
        "MAIL_FROM": "LeanVibe <no-reply@localhost>",
        "SIGNUP": "open",
        "MASTER_KEY": "a b==",
    }
