"""Answers of SCIM: a resource with its address and version, or nothing."""

from dataclasses import dataclass, field
from typing import Any

from fastapi.responses import JSONResponse, Response

from leanvibe_server.identity.scim.errors import MEDIA_TYPE


@dataclass(frozen=True)
class Reply:
    """What to answer."""

    status: int = 200
    body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, resource: dict[str, Any], *, shown: dict[str, Any] | None = None, status: int = 200
    ) -> "Reply":
        """A resource, of which `shown` is what the client wanted to see."""
        meta = resource["meta"]
        headers = {"ETag": meta["version"], "Location": meta["location"]}
        return cls(status, resource if shown is None else shown, headers)

    def send(self) -> Response:
        if self.body is None:
            return Response(status_code=self.status, headers=self.headers)
        return JSONResponse(
            self.body, status_code=self.status, headers=self.headers, media_type=MEDIA_TYPE
        )


NO_CONTENT = 204
NOT_MODIFIED = 304
