"""Settings: read once from the environment, refused early when they cannot work."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, cast
from urllib.parse import SplitResult, urlsplit

from leanvibe_server.kernel.regions import REGIONS

Environment = Literal["development", "production"]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_AT_LEAST_ONE: Final = (
    "database_pool_size",
    "key_cache_s",
    "worker_concurrency",
    "max_body_bytes",
    "max_repository_mb",
    "task_timeout_s",
    "tenant_grace_days",
    "smtp_timeout_s",
    "sms_per_number_hour",
    "sms_per_number_day",
    "sms_per_user_day",
    "sms_per_tenant_day",
)


class ConfigError(ValueError):
    """A setting is missing or unusable. The message says which and what to put there."""


def listed(text: str) -> tuple[str, ...]:
    """The parts of a text that stand between commas, without those that are blank."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _setting(default: Any, doc: str) -> Any:
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True)
class Settings:
    """Every setting of the product. The environment variable is the name in capitals."""

    environment: Environment = _setting("development", "development or production")
    leanvibe_home: Path = _setting(Path(".leanvibe"), "Where the product keeps its files")
    host: str = _setting("127.0.0.1", "Address the API listens on")
    port: int = _setting(8765, "Port of API and dashboard")
    public_url: str = _setting("", "Address users see; empty: http://localhost:PORT")
    trusted_proxies: str = _setting(
        "", "Comma-separated addresses or networks whose X-Forwarded-* headers are believed"
    )
    database_url: str = _setting(
        "", "Admin URL of a PostgreSQL >= 15; empty: the embedded PostgreSQL 18"
    )
    database_direct_url: str = _setting(
        "", "Direct URL for LISTEN and session locks when DATABASE_URL goes through PgBouncer"
    )
    database_pool_size: int = _setting(10, "Connections per process, region and role")
    home_region: str = _setting("us", "The region DATABASE_URL is in: us, eu, uk, ca or au")
    database_url_us: str = _setting("", "Admin URL of the region us, where it is not the home")
    database_url_eu: str = _setting("", "Admin URL of the region eu; empty: no tenants there")
    database_url_uk: str = _setting("", "Admin URL of the region uk; empty: no tenants there")
    database_url_ca: str = _setting("", "Admin URL of the region ca; empty: no tenants there")
    database_url_au: str = _setting("", "Admin URL of the region au; empty: no tenants there")
    database_direct_url_us: str = _setting("", "As DATABASE_DIRECT_URL, for DATABASE_URL_US")
    database_direct_url_eu: str = _setting("", "As DATABASE_DIRECT_URL, for DATABASE_URL_EU")
    database_direct_url_uk: str = _setting("", "As DATABASE_DIRECT_URL, for DATABASE_URL_UK")
    database_direct_url_ca: str = _setting("", "As DATABASE_DIRECT_URL, for DATABASE_URL_CA")
    database_direct_url_au: str = _setting("", "As DATABASE_DIRECT_URL, for DATABASE_URL_AU")
    dev_regions: str = _setting(
        "",
        "Further regions on the embedded PostgreSQL, each a database: all, or names such as eu,au",
    )
    worker_regions: str = _setting(
        "", "Comma-separated regions whose jobs this worker does; empty: all that have a database"
    )
    master_key: str = _setting(
        "", "32 bytes in base64 that wrap every tenant key; empty: LEANVIBE_HOME/master.key"
    )
    key_provider: str = _setting(
        "local", "Who wraps the tenants' data keys: local, vault (HashiCorp) or aws (KMS)"
    )
    wrapping_keys: str = _setting(
        "",
        "local: 32-byte keys in base64 with commas between, the first wraps, the others only "
        "unwrap; empty: one derived of MASTER_KEY",
    )
    key_cache_s: int = _setting(300, "Seconds an unwrapped data key is kept in memory")
    vault_addr: str = _setting("", "vault: address of the server")
    vault_token: str = _setting("", "vault: token that may encrypt and decrypt with the key")
    vault_token_file: str = _setting("", "vault: file an agent keeps a fresh token in")
    vault_namespace: str = _setting("", "vault: namespace, where there are some")
    vault_transit_mount: str = _setting("transit", "vault: where the transit engine is mounted")
    vault_transit_key: str = _setting("leanvibe", "vault: name of the transit key")
    aws_kms_key_id: str = _setting("", "aws: id, ARN or alias of the KMS key")
    aws_kms_region: str = _setting("", "aws: its region; empty: that of the environment")
    aws_kms_endpoint: str = _setting("", "aws: address of a private endpoint")
    jwt_secret: str = _setting("", "HS256 secret (32+ bytes); empty: ES256 keys with JWKS")
    tenant_grace_days: int = _setting(
        30, "Days until a deleted organisation is gone for good, in which it can be restored"
    )
    signup: str = _setting("", "open or closed; empty: open in development, closed in production")
    mail_from: str = _setting("LeanVibe <no-reply@localhost>", "Sender of outgoing mail")
    mail_backend: str = _setting(
        "outbox", "outbox (shown at /dev/outbox), console or smtp; only smtp delivers"
    )
    smtp_host: str = _setting("", "Mail server, for MAIL_BACKEND=smtp")
    smtp_port: int = _setting(587, "Port of the mail server")
    smtp_tls: str = _setting("starttls", "starttls, tls (from the first byte) or none")
    smtp_username: str = _setting("", "User at the mail server; empty: no sign-in")
    smtp_password: str = _setting("", "Password at the mail server")
    smtp_timeout_s: int = _setting(30, "Longest the mail server may take for one answer")
    sms_backend: str = _setting(
        "", "console (the log), twilio or none; empty: console in development, none in production"
    )
    sms_countries: str = _setting(
        "+1,+30,+31,+32,+33,+34,+351,+352,+353,+354,+356,+357,+358,+359,+36,+370,+371,+372,+385,"
        "+386,+39,+40,+41,+420,+421,+423,+43,+44,+45,+46,+47,+48,+49,+61",
        "Comma-separated beginnings of the numbers that messages are sent to",
    )
    sms_per_number_hour: int = _setting(5, "Messages to one number in an hour")
    sms_per_number_day: int = _setting(15, "Messages to one number in a day")
    sms_per_user_day: int = _setting(20, "Messages of one person in a day")
    sms_per_tenant_day: int = _setting(500, "Messages of one tenant in a day")
    twilio_account_sid: str = _setting("", "twilio: SID of the account")
    twilio_auth_token: str = _setting("", "twilio: its auth token")
    twilio_from: str = _setting("", "twilio: number, or SID of the messaging service, to send from")
    twilio_url: str = _setting("https://api.twilio.com", "twilio: address of its API")
    sandbox: str = _setting("bubblewrap", "bubblewrap, or none (development only: no isolation)")
    worker_concurrency: int = _setting(
        4, "Long jobs, such as steps of tasks, a worker runs at once"
    )
    worker_metrics_port: int = _setting(
        0, "Port on the loopback address where a worker serves /metrics; 0: nowhere"
    )
    max_body_bytes: int = _setting(1_048_576, "Largest request body")
    max_repository_mb: int = _setting(512, "Largest repository a project may have")
    task_timeout_s: int = _setting(900, "Longest a step of a task may run, in seconds")
    log_level: str = _setting("info", "debug, info, warning or error")
    log_format: str = _setting("", "json or text; empty: text in development, json in production")
    metrics_token: str = _setting("", "Bearer token /metrics asks for; empty: loopback only")

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """The settings of this process.

        Raises: ConfigError: a value cannot be used, or production runs on development defaults.
        """
        values: dict[str, Any] = {}
        for item in fields(cls):
            text = env.get(item.name.upper(), "").strip()
            if text:
                values[item.name] = _parse(item.name, text, item.default)
        settings = cls(**values)
        settings._check()
        return settings

    @property
    def production(self) -> bool:
        return self.environment == "production"

    @property
    def home(self) -> Path:
        return self.leanvibe_home.absolute()

    @property
    def base_url(self) -> str:
        """The address links are built on, without a trailing slash."""
        return (self.public_url or f"http://localhost:{self.port}").rstrip("/")

    @property
    def proxy_networks(self) -> list[Network]:
        """Where the proxies are whose X-Forwarded-* headers are believed.

        Raises: ConfigError: one of them is no address and no network.
        """
        return [_parse_network(part) for part in listed(self.trusted_proxies)]

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that have a database, the home region first."""
        others = (region for region in REGIONS if region != self.home_region)
        return (self.home_region, *(region for region in others if self.database_of(region)))

    @property
    def work_regions(self) -> tuple[str, ...]:
        """The regions whose jobs a worker of this process does."""
        return listed(self.worker_regions) or self.regions

    @property
    def embedded_regions(self) -> tuple[str, ...]:
        """The further regions the embedded server is to hold, in the order of all regions."""
        named = set(listed(self.dev_regions))
        wanted = set(REGIONS) if named == {"all"} else named
        return tuple(region for region in REGIONS if region in wanted - {self.home_region})

    def with_databases(self, urls: Mapping[str, str]) -> "Settings":
        """These settings with the admin URLs of regions."""
        changed: dict[str, Any] = {
            self.database_setting(region).lower(): url for region, url in urls.items()
        }
        return replace(self, **changed)

    def database_setting(self, region: str) -> str:
        """The name of the setting that holds the admin URL of a region."""
        at_home = region == self.home_region
        return "DATABASE_URL" if at_home else f"DATABASE_URL_{region.upper()}"

    def database_of(self, region: str) -> str:
        """The admin URL of a region; empty where it has no database."""
        if region == self.home_region:
            return self.database_url
        url: str = getattr(self, f"database_url_{region}")
        return url

    def direct_database_of(self, region: str) -> str:
        """The URL of a region for LISTEN and session locks."""
        if region == self.home_region:
            return self.database_direct_url or self.database_url
        direct: str = getattr(self, f"database_direct_url_{region}")
        return direct or self.database_of(region)

    def home_of(self, region: str) -> Path:
        """Where the files of a region's tenants are kept: the home region's in LEANVIBE_HOME
        itself, so that an installation that gains a region moves nothing."""
        return self.home if region == self.home_region else self.home / "regions" / region

    @property
    def signup_open(self) -> bool:
        return (self.signup or ("closed" if self.production else "open")) == "open"

    @property
    def keeps_mail(self) -> bool:
        """Whether nobody gets mail although people wait for it: production without a server."""
        return self.production and self.mail_backend != "smtp"

    @property
    def sends_sms(self) -> str:
        """Who sends text messages: console, twilio or none."""
        return self.sms_backend or ("none" if self.production else "console")

    @property
    def json_logs(self) -> bool:
        return (self.log_format or ("json" if self.production else "text")) == "json"

    def _check(self) -> None:
        _one_of("ENVIRONMENT", self.environment, ("development", "production"))
        _one_of("SIGNUP", self.signup, ("", "open", "closed"))
        _one_of("SANDBOX", self.sandbox, ("bubblewrap", "none"))
        self._check_mail()
        self._check_sms()
        _one_of("LOG_LEVEL", self.log_level.lower(), ("debug", "info", "warning", "error"))
        _one_of("LOG_FORMAT", self.log_format, ("", "json", "text"))
        self._check_keys()
        if self.jwt_secret and len(self.jwt_secret.encode()) < 32:
            raise ConfigError("JWT_SECRET must be at least 32 bytes: try `openssl rand -hex 32`.")
        if not 1 <= self.port <= 65535:
            raise ConfigError(f"PORT must be between 1 and 65535, not {self.port}.")
        if not 0 <= self.worker_metrics_port <= 65535:
            raise ConfigError("WORKER_METRICS_PORT must be between 0 and 65535; 0 is none.")
        for name in _AT_LEAST_ONE:
            _require_positive(name, getattr(self, name))
        _ = self.proxy_networks
        _require_web_address("PUBLIC_URL", self.public_url)
        _require_postgres_url("DATABASE_URL", self.database_url)
        _require_postgres_url("DATABASE_DIRECT_URL", self.database_direct_url)
        self._check_regions()
        if self.production:
            self._check_production()

    def _check_keys(self) -> None:
        _one_of("KEY_PROVIDER", self.key_provider, ("local", "vault", "aws"))
        _require_web_address("VAULT_ADDR", self.vault_addr)
        _require_web_address("AWS_KMS_ENDPOINT", self.aws_kms_endpoint)
        if self.key_provider == "vault" and not (
            self.vault_addr and (self.vault_token or self.vault_token_file)
        ):
            raise ConfigError(
                "KEY_PROVIDER=vault needs VAULT_ADDR, and VAULT_TOKEN or VAULT_TOKEN_FILE."
            )
        if self.key_provider == "aws" and not self.aws_kms_key_id:
            raise ConfigError("KEY_PROVIDER=aws needs AWS_KMS_KEY_ID.")

    def _check_mail(self) -> None:
        _one_of("MAIL_BACKEND", self.mail_backend, ("outbox", "console", "smtp"))
        _one_of("SMTP_TLS", self.smtp_tls, ("starttls", "tls", "none"))
        if not 1 <= self.smtp_port <= 65535:
            raise ConfigError(f"SMTP_PORT must be between 1 and 65535, not {self.smtp_port}.")
        if self.mail_backend != "smtp":
            return
        if not self.smtp_host:
            raise ConfigError("MAIL_BACKEND=smtp needs SMTP_HOST.")
        if self.smtp_username and self.smtp_tls == "none" and self.production:
            raise ConfigError("SMTP_TLS=none would send SMTP_PASSWORD in clear.")

    def _check_sms(self) -> None:
        _one_of("SMS_BACKEND", self.sms_backend, ("", "console", "twilio", "none"))
        _require_web_address("TWILIO_URL", self.twilio_url)
        twilio = (self.twilio_account_sid, self.twilio_auth_token, self.twilio_from)
        if self.sms_backend == "twilio" and not all(twilio):
            raise ConfigError(
                "SMS_BACKEND=twilio needs TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_FROM."
            )
        if self.sms_backend == "console" and self.production:
            raise ConfigError("SMS_BACKEND=console would write codes to the log in production.")

    def _check_regions(self) -> None:
        _one_of("HOME_REGION", self.home_region, REGIONS)
        for region in REGIONS:
            for name in (f"database_url_{region}", f"database_direct_url_{region}"):
                _require_postgres_url(name.upper(), getattr(self, name))
        if getattr(self, f"database_url_{self.home_region}"):
            raise ConfigError(
                f"DATABASE_URL_{self.home_region.upper()} is for another home: the region "
                f"{self.home_region} is the home region, whose database is DATABASE_URL."
            )
        self._check_apart()
        for name in listed(self.dev_regions):
            _one_of("DEV_REGIONS", name, ("all", *REGIONS))
        if self.dev_regions and self.database_url:
            raise ConfigError("DEV_REGIONS is for the embedded PostgreSQL: DATABASE_URL is set.")
        for region in self.work_regions:
            if region not in (*self.regions, *self.embedded_regions):
                raise ConfigError(f"WORKER_REGIONS names {region!r}, which has no database.")

    def _check_apart(self) -> None:
        """Raises: ConfigError: two regions have one database."""
        taken = {self.database_url}
        for region in self.regions[1:]:
            if self.database_of(region) in taken:
                raise ConfigError(
                    f"DATABASE_URL_{region.upper()} is the database of another region too: each "
                    "needs its own."
                )
            taken.add(self.database_of(region))

    def _check_production(self) -> None:
        required = {
            "PUBLIC_URL": self.public_url,
            "DATABASE_URL": self.database_url,
            "MASTER_KEY": self.master_key,
        }
        missing = [name for name, value in required.items() if not value]
        if missing:
            raise ConfigError(f"ENVIRONMENT=production needs {', '.join(missing)}.")
        if not self.public_url.startswith("https://"):
            raise ConfigError("PUBLIC_URL must begin with https:// in production.")
        if self.sandbox == "none":
            raise ConfigError("SANDBOX=none is for development; production needs bubblewrap.")


def _parse(name: str, text: str, default: object) -> object:
    if isinstance(default, Path):
        return Path(text)
    if isinstance(default, int):
        try:
            return int(text)
        except ValueError:
            raise ConfigError(f"{name.upper()} must be a whole number, not {text!r}.") from None
    return text


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        choices = " or ".join(choice for choice in allowed if choice)
        raise ConfigError(f"{name} must be {choices}, not {value!r}.")


def _require_positive(name: str, value: int) -> None:
    if value < 1:
        default = Settings.__dataclass_fields__[name].default
        raise ConfigError(
            f"{name.upper()} must be at least 1, not {value}; the default is {default}."
        )


def _require_web_address(name: str, value: str) -> None:
    url = _split_url(value)
    if value and not (url and url.scheme in ("http", "https") and url.hostname):
        raise ConfigError(
            f"{name} must be an address like https://leanvibe.example.com, not {value!r}."
        )


def _require_postgres_url(name: str, value: str) -> None:
    url = _split_url(value)
    if value and not (url and url.scheme in ("postgresql", "postgres")):
        # Not shown: it may hold a password.
        raise ConfigError(f"{name} must be like postgresql://user:password@host:5432/database.")


def _split_url(text: str) -> SplitResult | None:
    """The parts of a URL, or None when it is none."""
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        return None
    return None if any(letter.isspace() for letter in text) else url


def _parse_network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ConfigError(
            "TRUSTED_PROXIES must be addresses or networks with commas between, "
            f"like 10.0.0.5,192.168.0.0/16; {text!r} is neither."
        ) from None


def describe_settings() -> list[tuple[str, str, str]]:
    """Every setting as (name, default, explanation), in the order of the class."""
    return [
        (item.name.upper(), str(item.default), cast(str, item.metadata["doc"]))
        for item in fields(Settings)
    ]
