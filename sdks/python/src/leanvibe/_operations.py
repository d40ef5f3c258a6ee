"""What a method of the API does, described without doing it.

An operation is a generator of effects. It never touches the network: the clients perform each
effect, blocking or awaiting, and hand the outcome back. So every rule is written once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar
from urllib.parse import quote
from uuid import UUID

import httpx

from leanvibe._records import Record
from leanvibe.exceptions import InvalidRequestError, ServerError
from leanvibe.pagination import Page

if TYPE_CHECKING:
    from leanvibe._core import Core

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
RecordT = TypeVar("RecordT", bound=Record)


@dataclass(frozen=True)
class Send:
    """Send the request; the outcome is the response, or the error that kept it away."""

    request: httpx.Request


@dataclass(frozen=True)
class Pause:
    """Let time pass."""

    seconds: float


@dataclass(frozen=True)
class Exclusive:
    """Perform these steps while no other caller of the same client is in its own."""

    steps: Steps[Any]


Effect: TypeAlias = Send | Pause | Exclusive
Steps: TypeAlias = Generator[Effect, Any, T]


class Operation(Protocol[T_co]):
    """Something a client can be asked to do."""

    def steps(self, core: Core) -> Generator[Effect, Any, T_co]: ...


@dataclass(frozen=True, kw_only=True)
class Call(Generic[T]):
    """One request and how its answer reads."""

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    query: Mapping[str, Any] | None = None
    body: Mapping[str, Any] | None = None
    form: Mapping[str, str] | None = None
    """Sent form-encoded, where there is no `body`."""
    text: tuple[str, str] | None = None
    """Sent as it is, where there is neither: the media type, and the text."""
    accept: str = "application/json"
    anonymous: bool = False
    """Sent without credentials."""
    bearer: str | None = None
    """Sent with this token instead of the client's credentials."""
    headers: Mapping[str, str] | None = None
    """Sent beside those that every request has."""
    idempotency_key: str | None = None
    repeatable: bool = False
    """A POST that may be sent twice without a key."""

    def steps(self, core: Core) -> Steps[T]:
        """The request with its retries and, once, a renewed session."""
        return core.converse(self)


def path_of(*parts: str | UUID) -> str:
    """A path with every part quoted.

    Raises:
        InvalidRequestError: a part is empty or would climb to another resource.
    """
    texts = [str(part) for part in parts]
    for text in texts:
        if text in ("", ".", ".."):
            raise InvalidRequestError(f"{text!r} is not an id.")
    return "/" + "/".join(quote(text, safe="") for text in texts)


def given(**fields: Any) -> dict[str, Any]:
    """The fields that were given a value."""
    return {name: value for name, value in fields.items() if value is not None}


def encode_body(body: Mapping[str, Any]) -> bytes:
    """The body as JSON; times, ids and records in it take their wire form.

    Raises:
        InvalidRequestError: a number in it is not finite, which JSON cannot say.
    """
    try:
        return json.dumps(body, default=_wire_form, allow_nan=False).encode()
    except ValueError as problem:
        raise InvalidRequestError(f"The request cannot be sent as JSON: {problem}") from None


def encode_query(query: Mapping[str, Any]) -> dict[str, Any]:
    """The query with times in their wire form."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in query.items()
    }


def _wire_form(value: object) -> object:
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")


def reads(record: type[RecordT]) -> Callable[[httpx.Response], RecordT]:
    """The answer is one such record."""
    return lambda response: record(json_object(response))


def reads_page(record: type[RecordT]) -> Callable[[httpx.Response], Page[RecordT]]:
    """The answer is a page of such records."""

    def read(response: httpx.Response) -> Page[RecordT]:
        body = json_object(response)
        if not isinstance(body.get("data"), list):
            raise _unreadable(response)
        return Page.of(record, body)

    return read


def lists(record: type[RecordT], path: str, **query: Any) -> Call[Page[RecordT]]:
    """Ask for a page of such records, with what is given of the query."""
    return Call(method="GET", path=path, read=reads_page(record), query=given(**query))


def reads_nothing(response: httpx.Response) -> None:
    """The answer's body does not matter."""


def reads_bytes(response: httpx.Response) -> bytes:
    """The answer is its body, byte for byte."""
    return response.content


def json_object(response: httpx.Response) -> dict[str, Any]:
    """The JSON object in the answer.

    Raises:
        ServerError: the answer is something else, as when a proxy or a login page replies.
    """
    try:
        body = response.json()
    except ValueError:
        raise _unreadable(response) from None
    if not isinstance(body, dict):
        raise _unreadable(response)
    return body


def _unreadable(response: httpx.Response) -> ServerError:
    kind = response.headers.get("content-type", "no content type")
    return ServerError(
        f"The server's answer could not be read ({kind}). Check the base URL.",
        code="unreadable_answer",
        status=response.status_code,
        request_id=response.headers.get("x-request-id"),
    )
