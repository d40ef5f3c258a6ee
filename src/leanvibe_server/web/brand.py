"""The style sheets of organisations with a colour of their own."""

from typing import Annotated

from fastapi import Depends, Response

from leanvibe_server.kernel.errors import NotFound
from leanvibe_server.web.assets import FOREVER, everyone
from leanvibe_server.web.brand_look import COLOR, style_sheet
from leanvibe_server.web.routes import PageRouter

router = PageRouter()


@router.get("/static/brand/{color}/accents.css")
async def read_brand(color: str, _: Annotated[None, Depends(everyone)]) -> Response:
    """The accents of a page in a colour."""
    if not COLOR.fullmatch(color):
        raise NotFound("There is nothing at this path.")
    return Response(style_sheet(color), media_type="text/css", headers={"Cache-Control": FOREVER})
