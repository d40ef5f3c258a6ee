"""Paging of tables: newest first, a link to what is older, and one back to the start."""

from typing import Any
from urllib.parse import urlencode

from leanvibe_server.kernel.errors import InvalidRequest
from leanvibe_server.kernel.pagination import Page as ListPage
from leanvibe_server.kernel.pagination import PageRequest, decode_cursor
from leanvibe_server.web.page import Page

PAGE_SIZE = 25


def page_request(opened: Page, *, limit: int = PAGE_SIZE) -> PageRequest:
    """Which part of the list the address asks for; a cursor that is none asks for the start."""
    cursor = opened.request.query_params.get("cursor")
    try:
        return PageRequest(limit=limit, after=decode_cursor(cursor) if cursor else None)
    except InvalidRequest:
        return PageRequest(limit=limit)


def page_links(opened: Page, listed: ListPage[Any], **kept: str) -> dict[str, Any]:
    """The addresses of the older entries and of the newest, where there are such."""
    path = opened.request.url.path
    named = {name: value for name, value in kept.items() if value}
    older = ""
    if listed.next_cursor is not None:
        older = f"{path}?{urlencode({**named, 'cursor': listed.next_cursor})}"
    newest = ""
    if "cursor" in opened.request.query_params:
        newest = f"{path}?{urlencode(named)}" if named else path
    return {"older": older, "newest": newest}
