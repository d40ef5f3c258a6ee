"""The directory of routes: from a method and a path straight to the route that answers.

FastAPI asks one route after the other, which costs a request more than its database does once
there are a hundred. What the directory does not know, or is not sure of, takes FastAPI's way:
other methods, slashes to be redirected, WebSockets, paths that nobody serves.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, fields
from inspect import iscoroutinefunction
from typing import Any

from fastapi import FastAPI, Response
from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_body_to_args, request_params_to_args
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.params import Form
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from pydantic_core import PydanticUndefined as Undefined
from starlette.convertors import StringConvertor
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from leanvibe_server.kernel.http import HouseRequest, HouseRoute

_FOUND = "leanvibe.route"
_PLAIN = {"path_params", "query_params", "body_params", "dependencies"}


@dataclass(frozen=True)
class _Entry:
    """A route under one method: how it is reached, and the names of its path's parameters.

    `short` does the whole work of FastAPI; `app` is the route's own part of it.
    """

    route: APIRoute
    endpoint: Callable[..., Any]
    app: ASGIApp
    short: ASGIApp | None
    names: tuple[str, ...]


@dataclass
class _Shelf:
    """What may follow at one place of a path: words, any value, and who answers here."""

    words: "dict[str, _Shelf]" = field(default_factory=dict)
    value: "_Shelf | None" = None
    by_method: dict[str, _Entry] = field(default_factory=dict)


class Directory:
    """Stands before an application whose routes are all in place, and takes over the search of
    its router. A word counts before a parameter."""

    def __init__(self, api: FastAPI) -> None:
        self._api = api
        self._search = api.router.middleware_stack
        api.router.middleware_stack = self._go_on
        self._root = _Shelf()
        for context in iter_route_contexts(api.routes):
            if isinstance(context.original_route, APIRoute):
                self._add(context, context.original_route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What is found is noted in the scope; where a short way leads there, it is taken."""
        if scope["type"] == "http" and not scope.get("root_path"):
            found = self._find(scope["method"], scope["path"])
            if found is not None:
                entry, values = found
                scope["path_params"] = dict(zip(entry.names, values, strict=True))
                scope["endpoint"], scope["route"] = entry.endpoint, entry.route
                if entry.short is not None:
                    scope["app"] = self._api
                    await entry.short(scope, receive, send)
                    return
                scope[_FOUND] = entry
        await self._api(scope, receive, send)

    async def _go_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Behind FastAPI's own layers: go where the search would have led."""
        entry: _Entry | None = scope.get(_FOUND)
        if entry is None:
            await self._search(scope, receive, send)
            return
        scope["router"] = self._api.router
        await entry.app(scope, receive, send)

    def _find(self, method: str, path: str) -> tuple[_Entry, list[str]] | None:
        shelf, values = self._root, []
        for segment in path.split("/"):
            following = shelf.words.get(segment)
            if following is None:
                if shelf.value is None or not segment:
                    return None
                values.append(segment)
                following = shelf.value
            shelf = following
        entry = shelf.by_method.get(method)
        return None if entry is None else (entry, values)

    def _add(self, context: RouteContext, route: APIRoute) -> None:
        segments = (context.path_format or "").split("/")
        names = [segment[1:-1] for segment in segments if segment.startswith("{")]
        converters = context.param_convertors
        if set(names) != set(converters) or not all(
            type(converter) is StringConvertor for converter in converters.values()
        ):
            return
        shelf = self._root
        for segment in segments:
            if segment.startswith("{"):
                shelf.value = shelf = shelf.value or _Shelf()
            else:
                shelf = shelf.words.setdefault(segment, _Shelf())
        entry = _Entry(
            route=route,
            endpoint=context.endpoint or route.endpoint,
            app=context.app,
            short=_short_way(self._api, context, route),
            names=tuple(names),
        )
        for method in context.methods or ():
            # As with FastAPI, the route that came first answers.
            shelf.by_method.setdefault(method, entry)


def _short_way(api: FastAPI, context: RouteContext, route: APIRoute) -> ASGIApp | None:
    """An application for a route that asks for nothing but its way in, ids of its path, a query
    and JSON.

    It does what FastAPI would do, in the same order, without asking at every request what the
    route's signature looks like, and without layers that such a route has no use for. None: the
    route is not that plain.
    """
    if type(route) is not HouseRoute or not _is_plain(context):
        return None
    arguments = _arguments(context)
    endpoint, answer = route.endpoint, context.response_field
    status = context.status_code or 200

    async def handle(request: Request) -> Response:
        made = await endpoint(**await arguments(request))
        if isinstance(made, Response):
            return made
        content, errors = answer.validate(made, loc=("response",))
        if errors:
            raise ResponseValidationError(errors=errors, body=content)
        return Response(
            answer.serialize_json(content), status_code=status, media_type="application/json"
        )

    run = route.within_transaction(handle)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = HouseRequest(scope, receive)
        try:
            response = await run(request)
        except Exception as error:
            response = await _refusal(api, request, error)
        await response(scope, receive, send)

    return app


def _arguments(context: RouteContext) -> Callable[[Request], Awaitable[dict[str, Any]]]:
    """What takes the endpoint's arguments out of a request, in FastAPI's order: JSON is read
    first, and said to be wrong last, after who asks for it."""
    asked: Dependant = context.dependant
    ways_in: list[Any] = [(d.name, d.request_param_name, d.call) for d in asked.dependencies]
    ids = [(each.name, each.alias, each.validate) for each in asked.path_params]
    query, body, embed = asked.query_params, asked.body_params, context._embed_body_fields

    async def take(request: Request) -> dict[str, Any]:
        values: dict[str, Any] = {}
        sent = await _read(request) if body else None
        for name, parameter, enter in ways_in:
            values[name] = await enter(**{parameter: request})
        wrong: list[Any] = []
        for name, alias, validate in ids:
            values[name], errors = validate(request.path_params[alias], loc=("path", alias))
            wrong += errors
        if query:
            found, errors = request_params_to_args(query, request.query_params)
            values |= found
            wrong += errors
        if body:
            found, errors = await request_body_to_args(body, sent, embed)
            values |= found
            wrong += errors
        if wrong:
            raise RequestValidationError(wrong)
        return values

    return take


async def _read(request: Request) -> Any:
    """The body: JSON as its values, anything else as it came."""
    body = await request.body()
    main, _, sub = request.headers.get("content-type", "").partition(";")[0].partition("/")
    if not body:
        return Undefined
    if main.strip().lower() == "application" and _is_json(sub.strip().lower()):
        return await request.json()
    return body


def _is_json(subtype: str) -> bool:
    return subtype == "json" or (subtype.endswith("+json") and "/" not in subtype)


async def _refusal(api: FastAPI, request: Request, error: Exception) -> Response:
    """The answer of the application's handler for this kind of error.

    Raises: the error itself, where only the one for crashes is left: the doorman answers those.
    """
    for kind in type(error).__mro__:
        handler: Any = api.exception_handlers.get(kind)
        if handler is not None and kind is not Exception:
            response: Response = await handler(request, error)
            return response
    raise error


def _is_plain(context: RouteContext) -> bool:
    """Whether the signature holds path parameters, a query, JSON and ways in only, and the answer
    is a model."""
    prints_all = context.response_model_by_alias and not (
        context.response_model_include
        or context.response_model_exclude
        or context.response_model_exclude_unset
        or context.response_model_exclude_defaults
        or context.response_model_exclude_none
    )
    return (
        prints_all
        and isinstance(context.response_class, DefaultPlaceholder)
        and context.response_field is not None
        and context.stream_item_field is None
        and _wishes(context.dependant) <= _PLAIN
        and not any(isinstance(part.field_info, Form) for part in context.dependant.body_params)
        and all(
            hasattr(way_in.call, "way_in")
            and iscoroutinefunction(way_in.call)
            and _wishes(way_in) == {"request_param_name"}
            for way_in in context.dependant.dependencies
        )
    )


def _wishes(dependant: Dependant) -> set[str]:
    """What a signature asks FastAPI for, beside being called."""
    asked = {item.name for item in fields(dependant) if getattr(dependant, item.name)}
    return asked - {"name", "call", "path", "use_cache", "scope"}
