"""Errors of provisioning, as its standard tells them. Source: RFC 7644, section 3.12."""

from typing import Any

from leanvibe_server.kernel.errors import AppError, Conflict, InvalidRequest
from leanvibe_server.kernel.http import OVERTAKEN

SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"
MEDIA_TYPE = "application/scim+json"


class PreconditionFailed(AppError):
    """The resource has changed since the caller read it."""

    status, code = 412, "precondition_failed"


class NotOffered(AppError):
    """An optional part of a standard that this product leaves out."""

    status, code = 501, "not_implemented"


def invalid(scim_type: str, message: str) -> InvalidRequest:
    """A request that cannot be done as it is; `scim_type` says what kind of fault it is."""
    return InvalidRequest(message, details={"scimType": scim_type})


def not_unique(message: str) -> Conflict:
    """Somebody else has the name already."""
    return Conflict(message, details={"scimType": "uniqueness"})


def tell(error: AppError, envelope: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The error as RFC 7644 has it."""
    body: dict[str, Any] = {
        "schemas": [SCHEMA],
        "status": str(error.status),
        "detail": error.message,
    }
    scim_type = error.details.get("scimType")
    if error.details.get("reason") == OVERTAKEN:
        scim_type = "uniqueness"
    if scim_type is None and error.status == 400:
        scim_type = "invalidSyntax" if "validation_errors" in error.details else "invalidValue"
    if scim_type is not None:
        body["scimType"] = scim_type
    return body, MEDIA_TYPE
