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
        ("LOG_LEVEL", "loud"),
        ("TRUSTED_PROXIES", "foo"),
        ("TRUSTED_PROXIES", "10.0.0.5,proxy.internal"),
        ("MAX_BODY_BYTES", "-1"),
        ("MAX_BODY_BYTES", "0"),
        ("WORKER_CONCURRENCY", "0"),
        ("DATABASE_POOL_SIZE", "0"),
        ("TASK_TIMEOUT_S", "0"),
        ("MAX_REPOSITORY_MB", "0"),
        ("PUBLIC_URL", "leanvibe.example"),
        ("PUBLIC_URL", "https://"),
        ("PUBLIC_URL", "https://leanvibe.example:port"),
        ("PUBLIC_URL", "https://leanvibe example"),
        ("DATABASE_URL", "mysql://db/leanvibe"),
        ("DATABASE_URL", "db.example:5432"),
        ("DATABASE_DIRECT_URL", "db.example"),
        ("DATABASE_URL_EU", "db.example"),
        ("DATABASE_DIRECT_URL_AU", "mysql://db/leanvibe"),
        ("DATABASE_URL_US", "postgresql://db/home-has-one-already"),
        ("DATABASE_URL_EU", "postgresql://db/leanvibe"),
        ("HOME_REGION", "mars"),
        ("WORKER_REGIONS", "eu"),
    ],
)
def test_a_value_that_cannot_work_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}[ =]") as refusal:
        Settings.from_env(PRODUCTION | {name: value})
    assert "\n" not in str(refusal.value)


def test_the_refusal_says_what_to_put_there() -> None:
    with pytest.raises(ConfigError) as refusal:
        Settings.from_env({"DATABASE_POOL_SIZE": "0"})

    assert str(refusal.value) == "DATABASE_POOL_SIZE must be at least 1, not 0; the default is 10."


def test_a_refused_database_url_keeps_its_password() -> None:
    with pytest.raises(ConfigError) as refusal:
        Settings.from_env({"DATABASE_URL": "mysql://admin:hush@db.example/leanvibe"})

    assert str(refusal.value) == (
        "DATABASE_URL must be like postgresql://user:password@host:5432/database."
    )


def test_proxies_may_be_addresses_and_networks() -> None:
    settings = Settings.from_env({"TRUSTED_PROXIES": "10.0.0.5, 192.168.1.7/16,,::1"})

    assert [str(network) for network in settings.proxy_networks] == [
        "10.0.0.5/32",
        "192.168.0.0/16",
        "::1/128",
    ]


def test_the_log_level_may_be_in_capitals() -> None:
    assert Settings.from_env({"LOG_LEVEL": "INFO"}).log_level == "INFO"


def test_a_region_exists_once_it_has_a_database_and_the_home_region_comes_first() -> None:
    settings = Settings.from_env(
        PRODUCTION | {"HOME_REGION": "eu", "DATABASE_URL_US": "postgresql://db/us"}
    )
    assert settings.regions == ("eu", "us")
    assert settings.database_of("eu") == PRODUCTION["DATABASE_URL"]
    assert settings.home_of("eu") == settings.home
    assert settings.home_of("us") == settings.home / "regions" / "us"
    assert settings.work_regions == ("eu", "us")
