"""Structured logs: JSON for machines, one readable line for people; never a secret."""

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

import structlog

from leanvibe_server.kernel.config import Settings

_SECRET_NAMES = re.compile(r"password|secret|token|authorization|cookie|private_key|credential")
_SECRET_VALUES = re.compile(
    r"(l(?:v_[a-z]+|r)_[0-9A-Za-z]{20,}|eyJ[\w-]+\.[\w-]+\.[\w-]*|(?<=[?&]token=)[^&\s]+"
    # Those without a prefix: of mailed links, cookies and sign-ins that wait.
    r"|\b[0-9A-Za-z]{65}\b)"
)
_MAX_VALUE = 2_000


# Set while this task works for a tenant of another region: the logs of this process are kept
# where the process runs.
_elsewhere: ContextVar[bool] = ContextVar("elsewhere", default=False)
# What a line about such a tenant may still say: names of our own making, ids and numbers.
_IMPERSONAL = frozenset(
    {"event", "level", "timestamp", "part", "request_id", "tenant_id", "task_id", "message_id",
     "job", "attempt", "step", "status", "recipe", "region", "sweep", "error_type", "exception"}
)  # fmt: skip


def speak_of_home() -> None:
    """A new piece of work begins: nothing is known yet of whom it is for."""
    _elsewhere.set(False)


def speak_of_elsewhere() -> None:
    """From here on this piece of work is for a tenant of another region: its log lines name no
    person and quote nothing."""
    _elsewhere.set(True)


def _depersonalise(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    if not _elsewhere.get():
        return event
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        # Where it happened, not what was said: a message may quote a row.
        event["error_type"] = type(error).__name__
        event["exception"] = "".join(traceback.format_tb(error.__traceback__))
    for name in [name for name in event if name not in _IMPERSONAL and name[0] != "_"]:
        del event[name]
    return event


def redact(text: str) -> str:
    """The text without API keys and tokens."""
    return _SECRET_VALUES.sub("[redacted]", text)


def _clean(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if _SECRET_NAMES.search(name):
            event[name] = "[redacted]"
        elif isinstance(value, str):
            event[name] = redact(value[:_MAX_VALUE])
    return event


def configure_logging(settings: Settings) -> None:
    """Send all logs of this process to standard error in the configured form."""
    level = getattr(logging, settings.log_level.upper())
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.json_logs
        else structlog.dev.ConsoleRenderer(
            # Never the rich one: it prints local variables, and secrets with them.
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _depersonalise,
        structlog.processors.format_exc_info,
        _clean,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared)
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.INFO))
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    for noisy in ("httpx", "httpcore", "asyncio", "pgqueuer", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _is_news(record: logging.LogRecord) -> bool:
    """uvicorn takes a refused WebSocket, which was answered, for one that was forgotten."""
    return record.msg != "ASGI callable returned without completing handshake."


def logger(name: str) -> Any:
    """A logger for one part of the house."""
    return structlog.get_logger(part=name)
