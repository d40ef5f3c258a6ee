"""The API reference as a page of ours, drawn from the API's own description."""

from typing import Annotated

from fastapi import Response

from leanvibe_server.web.page import Page, known_page
from leanvibe_server.web.reference import Section, read_reference
from leanvibe_server.web.routes import PageRouter

router = PageRouter()

ANYONE = known_page()
# The description does not change while a process runs, and reading it takes some milliseconds.
_read: dict[int, list[Section]] = {}


@router.get("/docs")
async def show_reference(opened: Annotated[Page, ANYONE]) -> Response:
    """Every operation of the API, and how to call it."""
    document = opened.request.app.openapi()
    base_url = opened.visit.house.settings.base_url
    if id(document) not in _read:
        _read[id(document)] = read_reference(document, base_url)
    return opened.show(
        "docs/reference.html",
        sections=_read[id(document)],
        version=document["info"]["version"],
        base_url=base_url,
    )
