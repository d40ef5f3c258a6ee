"""Routes of pages: a refusal is answered in the look of the dashboard."""

import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, cast

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.errors import AppError, MfaRequired, StepUpRequired
from leanvibe_server.kernel.http import HouseRoute, allowed_methods
from leanvibe_server.kernel.log import logger
from leanvibe_server.kernel.request import visit_of
from leanvibe_server.web.forgery import holder_of, new_visitor
from leanvibe_server.web.forms import Form
from leanvibe_server.web.page import NOBODY, Answered, Page, SignInNeeded, sign_in_path
from leanvibe_server.web.permission_texts import meaning_of
from leanvibe_server.web.second_factor import ask_second_factor
from leanvibe_server.web.sso_refusals import show_refusal
from leanvibe_server.web.step_up import ask_again

HEADINGS = {
    400: ("This request cannot be read", "info"),
    401: ("The sign-in did not work", "lock"),
    403: ("You may not do this", "roles"),
    404: ("There is nothing here", "project"),
    405: ("This page has no such action", "info"),
    409: ("This contradicts what is there", "warning"),
    413: ("This is too large", "warning"),
    429: ("Too much at once", "clock"),
    500: ("Something broke on our side", "warning"),
    503: ("A part we need is not there", "warning"),
}
# Addresses of the API that identity providers send browsers to.
BROWSER_PATHS = ("/v1/auth/saml/", "/v1/auth/sso/")
API_PATHS = ("/v1/", "/api/", "/health", "/metrics", "/.well-known/", "/scim/", "/openapi.json")


class PageRoute(HouseRoute):
    """A house route whose refusals are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def run(request: Request) -> Response:
            try:
                return await handle(request)
            except Answered as answer:
                if isinstance(answer.__cause__, MfaRequired):
                    return ask_second_factor(_page_of(request), answer.__cause__)
                return answer.response
            except MfaRequired as more:
                return ask_second_factor(_page_of(request), more)
            except StepUpRequired:
                return await ask_again(request)
            except SignInNeeded:
                return RedirectResponse(sign_in_path(request), status_code=303)
            except Exception as error:  # a page that crashes is answered by a page
                return await _answer(request, error)

        return run


async def _answer(request: Request, error: Exception) -> Response:
    """What the API would say of this error, as a page."""
    handlers = request.app.exception_handlers
    handler = next((handlers[kind] for kind in type(error).__mro__ if kind in handlers), None)
    try:
        if handler is None:
            raise error
        told = await handler(request, error)
    except Exception as crash:  # some handlers know only part of their kind
        logger("web").error("crash", path=request.url.path, exc_info=crash)
        return error_page(request, Trouble(500, _CRASHED, {}))
    if not isinstance(told, JSONResponse):
        return cast(Response, told)
    body = json.loads(bytes(told.body))
    trouble = Trouble(told.status_code, body["message"], body["details"])
    response = error_page(request, trouble)
    for name in ("retry-after", "allow"):
        if name in told.headers:
            response.headers[name] = told.headers[name]
    return response


_CRASHED = "Try again. If it stays, tell whoever runs this installation the request id below."


@dataclass(frozen=True)
class Trouble:
    """What an error page says."""

    status: int
    message: str
    details: dict[str, Any]


class PageRouter(APIRouter):
    """A router of pages. They are no part of the API's description."""

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=PageRoute, include_in_schema=False, **options)


def error_page(request: Request, error: Trouble) -> Response:
    """The refusal as a page; inside the shell for those who got that far."""
    opened = _page_of(request)
    heading, drawing = HEADINGS.get(error.status, HEADINGS[500])
    wanted = error.details.get("required_permission")
    return opened.show(
        "error.html",
        http_status=error.status,
        heading=heading,
        drawing=drawing,
        error=error,
        needs=meaning_of(Permission(wanted)) if wanted else "",
        request_id=opened.visit.request_id,
    )


def _page_of(request: Request) -> Page:
    """The page under way, or a bare one for those who did not get that far."""
    opened: Page | None = getattr(request.state, "page", None)
    if opened is not None:
        return opened
    visit = visit_of(request.scope)
    holder = holder_of(visit) or new_visitor()
    return Page(request=request, visit=visit, holder=holder, form=Form(), shell=NOBODY)


def wants_page(request: Request) -> bool:
    """Whether whoever asks is a person before a browser, and not asking the API."""
    return not request.url.path.startswith(API_PATHS) and accepts_page(request)


def accepts_page(request: Request) -> bool:
    """Whether a page can be read there at all."""
    return "text/html" in request.headers.get("accept", "")


def add_error_pages(app: FastAPI) -> None:
    """Answer browsers that take a wrong turn by a page; everything else as before."""
    handlers: dict[Any, Any] = app.exception_handlers
    as_before = handlers[HTTPException]
    refusal_before = handlers[AppError]

    @app.exception_handler(AppError)
    async def refused(request: Request, error: AppError) -> Response:
        if not request.url.path.startswith(BROWSER_PATHS) or not accepts_page(request):
            answer: Response = await refusal_before(request, error)
            return answer
        if isinstance(error, MfaRequired):
            return ask_second_factor(_page_of(request), error)
        if error.set_off_for is not None:
            return show_refusal(_page_of(request), error)
        response = error_page(request, Trouble(error.status, error.message, error.details))
        response.headers.update(error.headers)
        return response

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if error.status_code not in (404, 405) or not wants_page(request):
            answer: Response = await as_before(request, error)
            return answer
        message = "The address may be wrong, or what it named is gone."
        page = error_page(request, Trouble(error.status_code, message, {}))
        if error.status_code == 405:
            page.headers["Allow"] = allowed_methods(request)
        return page
