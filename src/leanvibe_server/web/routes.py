"""Routes of pages: a refusal is answered in the look of the dashboard."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from leanvibe_server.kernel.errors import (
    AppError,
    MethodNotAllowed,
    NotFound,
    ServerError,
)
from leanvibe_server.kernel.http import HouseRoute, validation_error
from leanvibe_server.kernel.log import logger
from leanvibe_server.kernel.request import visit_of
from leanvibe_server.web.forgery import holder_of, new_visitor
from leanvibe_server.web.forms import Form
from leanvibe_server.web.page import NOBODY, Answered, Page, SignInNeeded, sign_in_path

HEADINGS = {
    400: ("This request cannot be read", "info"),
    403: ("You may not do this", "roles"),
    404: ("There is nothing here", "project"),
    405: ("This page has no such action", "info"),
    409: ("This contradicts what is there", "warning"),
    413: ("This is too large", "warning"),
    429: ("Too much at once", "clock"),
    500: ("Something broke on our side", "warning"),
    503: ("A part we need is not there", "warning"),
}
API_PATHS = ("/v1/", "/api/", "/health", "/metrics", "/.well-known/", "/scim/", "/openapi.json")


class PageRoute(HouseRoute):
    """A house route whose refusals are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def run(request: Request) -> Response:
            try:
                return await handle(request)
            except Answered as answer:
                return answer.response
            except SignInNeeded:
                return RedirectResponse(sign_in_path(request), status_code=303)
            except AppError as error:
                return error_page(request, error)
            except RequestValidationError as error:
                return error_page(request, validation_error(error))
            except HTTPException:
                raise
            except Exception as error:  # a page that crashes is answered by a page
                logger("web").error("crash", path=request.url.path, exc_info=error)
                return error_page(request, ServerError(_CRASHED))

        return run


_CRASHED = "Try again. If it stays, tell whoever runs this installation the request id below."


class PageRouter(APIRouter):
    """A router of pages. They are no part of the API's description."""

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=PageRoute, include_in_schema=False, **options)


def error_page(request: Request, error: AppError) -> Response:
    """The refusal as a page; inside the shell for those who got that far."""
    opened: Page | None = getattr(request.state, "page", None)
    if opened is None:
        visit = visit_of(request.scope)
        holder = holder_of(visit) or new_visitor()
        opened = Page(request=request, visit=visit, holder=holder, form=Form(), shell=NOBODY)
    heading, drawing = HEADINGS.get(error.status, HEADINGS[500])
    response = opened.show(
        "error.html",
        http_status=error.status,
        heading=heading,
        drawing=drawing,
        error=error,
        request_id=opened.visit.request_id,
    )
    for name, value in error.headers.items():
        response.headers[name] = value
    return response


def wants_page(request: Request) -> bool:
    """Whether whoever asks is a person before a browser, and not asking the API."""
    return not request.url.path.startswith(API_PATHS) and "text/html" in request.headers.get(
        "accept", ""
    )


def add_error_pages(app: FastAPI) -> None:
    """Answer browsers that take a wrong turn by a page; everything else as before."""
    handlers: dict[Any, Any] = app.exception_handlers
    as_before = handlers[HTTPException]

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        kind = {404: NotFound, 405: MethodNotAllowed}.get(error.status_code)
        if kind is None or not wants_page(request):
            answer: Response = await as_before(request, error)
            return answer
        return error_page(request, kind("The address may be wrong, or what it named is gone."))
