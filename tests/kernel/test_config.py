"""Settings are refused early, with a line that says what to do."""

import pytest

from leanvibe_server.kernel.config import ConfigError, Settings

PRODUCTION = {
    "ENVIRONMENT": "production",
    "PUBLIC_URL": "https://leanvibe.example",
    "DATABASE_URL": "postgresql://db/leanvibe",
    "MASTER_KEY": "x" * 44,
}


def test_development_needs_nothing() -> None:
    settings = Settings.from_env({})
    assert settings.port == 8765
    assert settings.base_url == "http://localhost:8765"
    assert settings.signup_open


def test_production_runs_when_everything_is_set_and_closes_sign_up() -> None:
    settings = Settings.from_env(PRODUCTION)
    assert not settings.signup_open
    assert settings.json_logs


@pytest.mark.parametrize("name", ["PUBLIC_URL", "DATABASE_URL", "MASTER_KEY"])
def test_production_refuses_the_development_default(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Settings.from_env(PRODUCTION | {name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "http://leanvibe.example"),
        ("SANDBOX", "none"),
        ("PORT", "70000"),
        ("PORT", "http"),
        ("JWT_SECRET", "short"),
        ("SIGNUP", "maybe"),
        ("ENVIRONMENT", "staging"),
    ],
)
def test_a_value_that_cannot_work_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Settings.from_env(PRODUCTION | {name: value})
