"""Refusals of the tenancy room."""

from leanvibe_server.kernel.errors import InvalidRequest


def invalid(field: str, why: str) -> InvalidRequest:
    """The refusal of one field."""
    return InvalidRequest(
        f"{field} {why}.", details={"field": field, "validation_errors": [f"{field}: {why}"]}
    )
