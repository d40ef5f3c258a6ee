"""The street side: routes that commit before they answer, and one envelope for every error."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any, TypeVar
from uuid import UUID

import asyncpg
import msgspec
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BeforeValidator, WithJsonSchema
from starlette.exceptions import HTTPException
from starlette.routing import Match

from leanvibe_server.kernel.crypto import Undecipherable
from leanvibe_server.kernel.errors import (
    AppError,
    Conflict,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    ServerError,
    ServiceUnavailable,
    StepUpRequired,
    TenantSuspended,
    envelope,
)
from leanvibe_server.kernel.idempotency import Replay, store_answer
from leanvibe_server.kernel.ids import parse_id
from leanvibe_server.kernel.log import logger
from leanvibe_server.kernel.refusals import note_refusal
from leanvibe_server.kernel.request import Visit, visit_of
from leanvibe_server.kernel.sealing import with_keys

# What a caller's value can cause. Other data errors, such as a tenant that is not bound, are ours.
_UNSTORABLE = (
    asyncpg.DataError,
    asyncpg.CharacterNotInRepertoireError,
    asyncpg.UntranslatableCharacterError,
    asyncpg.NumericValueOutOfRangeError,
)

# Why a request is refused that another one overtook.
OVERTAKEN = "overtaken"

# What the reader of JSON calls by names of Python.
_NO_OBJECT = dict.fromkeys(
    ("model_attributes_type", "model_type", "dict_type"), "must be a JSON object"
)

# What every refusal looks like, for the OpenAPI text.
ERROR_CONTENT = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
RequestHandler = Callable[[Request], Coroutine[Any, Any, Response]]

PathId = Annotated[
    UUID, BeforeValidator(parse_id), WithJsonSchema({"type": "string", "format": "uuid"})
]
"""An id in a path. Text that is no UUID answers like an id that does not exist."""


def bears_secret(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint whose answer holds a secret: it is never kept for a repeat."""
    endpoint.bears_secret = True  # type: ignore[attr-defined]  # read by HouseRoute
    return endpoint


class HouseRequest(Request):
    """A request whose JSON is read strictly: no NaN, no NUL, no lone surrogates."""

    async def json(self) -> Any:
        body = await self.body()
        try:
            value = msgspec.json.decode(body)
            if b"\\u" in body:
                check_text(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise InvalidRequest(
                f"The body is not valid JSON: {error}.",
                details={"validation_errors": [f"body: {error}"]},
            ) from None
        return value


def check_text(value: Any) -> None:
    """Raises: UnicodeError: some text in `value` cannot be stored as UTF-8 without NUL."""
    text = msgspec.json.encode(value)
    if b"\\u0000" in text:
        raise UnicodeError("NUL characters are not allowed")


def _entrances(dependant: Any) -> list[Any]:
    """The dependencies by which a route lets callers in."""
    found = [dependant.call] if hasattr(dependant.call, "way_in") else []
    for inner in dependant.dependencies:
        found += _entrances(inner)
    return found


def _permission_in(way_in: str | None) -> str | None:
    """The permission a way in asks for; None where it asks for none."""
    if way_in is None or way_in.startswith("public"):
        return None
    return way_in.removeprefix("page: ").partition(",")[0]


class HouseRoute(APIRoute):
    """A route whose transaction ends before its answer leaves.

    The answer is built first, so a body that cannot be serialised or a commit that fails is a
    500 and never a 2xx. A refusal that keeps its writes commits them, then leaves.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        entrance = next(iter(_entrances(self.dependant)), None)
        self._asked = _permission_in(getattr(entrance, "way_in", None))
        if entrance is not None:
            permission, _, public = entrance.way_in.partition("public: ")
            rule: dict[str, Any] = {"x-permission": permission.removesuffix(", or ") or "public"}
            if public:
                rule["x-public"] = public
            refused = getattr(entrance, "refused", ())
            if StepUpRequired in refused:
                rule["x-fresh"] = True
            if self.methods == {"GET"}:
                refused = [error for error in refused if error is not TenantSuspended]
            self.openapi_extra = {**(self.openapi_extra or {}), **rule}
            self.responses = refuses(*refused, beside=self.responses)

    def get_route_handler(self) -> RequestHandler:
        run = self.within_transaction(super().get_route_handler())

        async def read_strictly(request: Request) -> Response:
            return await run(HouseRequest(request.scope, request.receive))

        return read_strictly

    def within_transaction(self, handle: RequestHandler) -> RequestHandler:
        """`handle`, with the transaction it leaves behind ended before its answer is given."""
        secret = getattr(self.endpoint, "bears_secret", False)

        async def run(request: Request) -> Response:
            visit = visit_of(request.scope)
            visit.log["route"] = self.path_format

            async def undo() -> bool:
                """Undo the one transaction of this request. What a service committed by itself
                stays, so such a request is not done twice."""
                whole = visit.transaction is not None
                await visit.close_transaction(commit=False)
                visit.idempotent = None
                return whole

            try:
                response = await with_keys(visit.house, partial(handle, request), undo)
                await _keep_answer(visit, response, secret=secret)
            except Replay as first:
                await visit.close_transaction(commit=False)
                return _replayed(first)
            except BaseException as error:
                await visit.close_transaction(commit=getattr(error, "keeps_writes", False))
                await note_refusal(visit, error, self._asked)
                if isinstance(error, asyncpg.UniqueViolationError):
                    raise _overtaken(error) from error
                raise
            await visit.close_transaction()
            return response

        return run


def _overtaken(error: asyncpg.UniqueViolationError) -> Conflict:
    """The refusal of a request that found its place free, and lost it to another at that moment."""
    logger("http").warning("overtaken", constraint=getattr(error, "constraint_name", None))
    return Conflict(
        "Somebody else did the same at this moment. Look at what is there now, then try again.",
        details={"reason": OVERTAKEN},
    )


async def _keep_answer(visit: Visit, response: Response, *, secret: bool) -> None:
    if visit.idempotent is None or visit.transaction is None or secret:
        return
    await store_answer(
        visit.transaction.conn,
        visit.idempotent,
        status=response.status_code,
        body=bytes(response.body),
        media_type=response.headers.get("content-type", "application/json"),
    )


def _replayed(first: Replay) -> Response:
    return Response(
        first.body,
        status_code=first.status,
        media_type=first.media_type,
        headers={"Idempotency-Replayed": "true"},
    )


class Router(APIRouter):
    """An APIRouter of house routes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=HouseRoute, **options)


Answers = dict[int | str, dict[str, Any]]


def refuses(*errors: type[AppError], beside: Answers | None = None) -> Answers:
    """The refusals of an endpoint, for its OpenAPI text, added to the answers `beside` them.

    What its way in refuses and what is wrong with its input need not be named.
    """
    answers = {status: dict(answer) for status, answer in (beside or {}).items()}
    for error in errors:
        first_line = (error.__doc__ or error.code).split("\n")[0]
        summary = f"`{error.code}`: {first_line}"
        answer = answers.setdefault(error.status, {"description": "", "content": ERROR_CONTENT})
        if summary not in answer["description"]:
            answer["description"] = f"{answer['description']} {summary}".strip()
    return answers


def error_response(request: Request, error: AppError) -> JSONResponse:
    """The error in its envelope."""
    return answer_error(visit_of(request.scope), error)


def answer_error(visit: Visit, error: AppError) -> JSONResponse:
    """The error in its envelope, or as the standard wants it that rules this path."""
    body = envelope(error, request_id=visit.request_id, now=visit.house.clock.now())
    media_type = "application/json"
    for start, dialect in visit.house.dialects.items():
        if visit.path.startswith(start):
            body, media_type = dialect(error, body)
    return JSONResponse(
        body, status_code=error.status, headers=error.headers, media_type=media_type
    )


def validation_error(error: RequestValidationError) -> InvalidRequest:
    """FastAPI's findings as our refusal, each field named by its path."""
    findings = []
    for item in error.errors():
        path = ".".join(str(part) for part in item["loc"] if part not in ("body", "query"))
        said = _NO_OBJECT.get(item["type"], item["msg"].removeprefix("Value error, "))
        findings.append(f"{path or 'body'}: {said}")
    details: dict[str, Any] = {"validation_errors": findings}
    if findings:
        details["field"] = findings[0].partition(":")[0]
    return InvalidRequest(
        f"The request has {len(findings)} invalid field{'s' if len(findings) != 1 else ''}. "
        f"{findings[0] if findings else ''}".strip(),
        details=details,
    )


def _http_error(error: HTTPException) -> AppError:
    known: dict[int, type[AppError]] = {
        404: NotFound,
        405: MethodNotAllowed,
        413: PayloadTooLarge,
        503: ServiceUnavailable,
    }
    kind = known.get(error.status_code, ServerError if error.status_code >= 500 else InvalidRequest)
    phrases = {404: "There is nothing at this path.", 405: "This path has no such method."}
    message = phrases.get(error.status_code, str(error.detail))
    return kind(message, headers=dict(error.headers or {}))


async def _refused(request: Request, error: AppError) -> Response:
    return error_response(request, error)


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    return error_response(request, validation_error(error))


async def _refused_below(request: Request, error: HTTPException) -> Response:
    # What we raise while FastAPI reads the body comes wrapped.
    cause = error.__cause__
    refusal = cause if isinstance(cause, AppError) else _http_error(error)
    if isinstance(refusal, MethodNotAllowed):
        refusal.headers["Allow"] = allowed_methods(request)
    return error_response(request, refusal)


def allowed_methods(request: Request) -> str:
    """The methods that some route takes at the request's path; a route itself knows only its own.

    Source: RFC 9110, 10.2.1 "Allow"
    """
    routes = request.app.routes
    taken = [
        method
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes
        )
    ]
    # HEAD is answered wherever GET is.
    return ", ".join(taken).replace("GET", "GET, HEAD")


async def _unstorable(request: Request, error: asyncpg.DataError) -> Response:
    if type(error) not in _UNSTORABLE:
        raise error
    logger("http").info("unstorable value", error=str(error))
    return error_response(
        request, InvalidRequest("A value in the request cannot be stored as it is.")
    )


async def _shredded(request: Request, error: Undecipherable) -> Response:
    logger("http").error("undecipherable", path=request.url.path, error=str(error))
    return error_response(
        request,
        Conflict(
            "This needs the organisation's encryption keys, and they were destroyed or do not "
            "open what is kept. Enter the secret anew, or ask whoever runs this installation.",
            details={"reason": "keys_destroyed"},
        ),
    )


async def _no_database(request: Request, error: Exception) -> Response:
    logger("http").error("database unreachable", error=repr(error))
    return error_response(
        request,
        ServiceUnavailable(
            "The database does not answer. Try again in a moment.", headers={"Retry-After": "2"}
        ),
    )


async def _crashed(request: Request, error: Exception) -> Response:
    return crash_response(visit_of(request.scope), error)


_HANDLERS: dict[type[Exception], Callable[..., Coroutine[Any, Any, Response]]] = {
    AppError: _refused,
    RequestValidationError: _invalid,
    HTTPException: _refused_below,
    asyncpg.DataError: _unstorable,
    Undecipherable: _shredded,
    asyncpg.PostgresConnectionError: _no_database,
    asyncpg.CannotConnectNowError: _no_database,
    ConnectionRefusedError: _no_database,
    TimeoutError: _no_database,
    Exception: _crashed,
}


def add_error_handlers(app: FastAPI) -> None:
    """Give every error the envelope, from whichever layer it comes."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)


def crash_response(visit: Visit, error: BaseException) -> JSONResponse:
    """The answer to what nobody foresaw: no detail leaves the house but the request id."""
    logger("http").error("crash", request_id=visit.request_id, path=visit.path, exc_info=error)
    refusal = ServerError(
        "Something broke on our side. Try again, and quote the request id if it stays."
    )
    return answer_error(visit, refusal)
