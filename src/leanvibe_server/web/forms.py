"""Forms: what was sent, what was wrong with it, field by field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from leanvibe_server.kernel.errors import AppError, InvalidRequest, invalid_field
from leanvibe_server.kernel.http import validation_error

CHECK_FIELDS = "Please check the fields below."
MAX_FIELDS = 200
# How people are told what a shape finds, in this order; a program reads the finding itself.
_IN_WORDS = (
    ("String should have at least 1 character", "Must not be empty"),
    ("Field required", "Must not be empty"),
    ("String should have", "Must have"),
    ("Input should be a valid integer, unable to parse string as an integer", "Must be a number"),
    ("Input should be", "Must be"),
)
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Form:
    """The fields of a form as text, and so is a file that was sent with it."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The value of a field without surrounding space; empty when it was not sent."""
        found = self.values.get(name)
        return found[0].strip() if found else ""

    def optional(self, name: str) -> str | None:
        """The value of a field, or None when it was left empty."""
        return self.text(name) or None

    def secret(self, name: str) -> str:
        """The value of a field exactly as it was typed."""
        found = self.values.get(name)
        return found[0] if found else ""

    def all(self, name: str) -> list[str]:
        """Every value of a field with several, such as a set of check boxes."""
        return [value.strip() for value in self.values.get(name, ()) if value.strip()]

    def lines(self, name: str) -> list[str]:
        """The parts of a field that holds a list, apart by commas or line ends."""
        parts = self.text(name).replace("\n", ",").split(",")
        return [part.strip() for part in parts if part.strip()]

    def checked(self, name: str) -> bool:
        return bool(self.values.get(name))


@dataclass(frozen=True)
class Faults:
    """Why a form was refused: a sentence for the whole, and one for each field concerned."""

    message: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.message or self.fields)

    @classmethod
    def of(cls, error: AppError) -> "Faults":
        """The refusal of a service, its findings laid at the fields they name."""
        fields: dict[str, str] = {}
        for finding in error.details.get("validation_errors", ()):
            path, _, why = str(finding).partition(": ")
            fields.setdefault(path.rpartition(".")[2], _sentence(why))
        named = error.details.get("field")
        if named and not fields:
            fields[str(named).rpartition(".")[2]] = error.message
        path, colon, why = error.message.partition(": ")
        about = colon and path.rpartition(".")[2] in fields
        return cls(_sentence(why) if about else error.message, fields)


def _sentence(text: str) -> str:
    plain = text.strip()
    for finding, words in _IN_WORDS:
        plain = plain.replace(finding, words)
    return f"{plain[:1].upper()}{plain[1:]}".rstrip(".") + "."


async def read_form(request: Request) -> Form:
    """The fields of a request's form; of a file, which must be text, what it holds.

    Raises: InvalidRequest: the form holds what is no text.
    """
    body = await request.body()
    encoded = request.headers.get("content-type", "").startswith(
        "application/x-www-form-urlencoded"
    )
    _check_text(unquote_to_bytes(body) if encoded else body)
    values: dict[str, list[str]] = {}
    async with request.form(max_files=1, max_fields=MAX_FIELDS) as sent:
        for name, value in sent.multi_items():
            text = value if isinstance(value, str) else (await value.read()).decode()
            values.setdefault(name, []).append(text.replace("\r\n", "\n"))
    return Form(values)


def _check_text(body: bytes) -> None:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise InvalidRequest(
            "The form holds bytes that are no UTF-8 text, so nothing was changed. "
            "Type the text anew, or save the file as UTF-8, and send it again."
        ) from None
    if "\0" in text:
        raise InvalidRequest(
            "The form holds a NUL character, so nothing was changed. Take it out and send it again."
        )


def day_of(moment: datetime | None) -> str:
    """The day (UTC) as a form shows it."""
    return "" if moment is None else f"{moment:%Y-%m-%d}"


def end_of_day(text: str, *, field: str) -> datetime | None:
    """The end of a day (UTC) that was picked; None for none.

    Raises: InvalidRequest: naming `field`.
    """
    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(23, 59, 59), tzinfo=UTC)
    except ValueError:
        raise misfilled(field, "is no date such as 2026-12-31") from None


def misfilled(field: str, why: str) -> InvalidRequest:
    """The refusal of one field of a form, at which the page says why."""
    return invalid_field(field, why, CHECK_FIELDS)


def fill(model: type[Model], values: Mapping[str, Any]) -> Model:
    """The shape a service takes, from the values of a form.

    Raises: InvalidRequest: naming each field that does not fit.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise _refusal(error) from None


def _refusal(error: ValidationError) -> InvalidRequest:
    refusal = validation_error(RequestValidationError(error.errors()))
    return InvalidRequest(CHECK_FIELDS, details=refusal.details)
