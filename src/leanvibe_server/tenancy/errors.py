"""Refusals of the tenancy room."""

from leanvibe_server.kernel.errors import Conflict, InvalidRequest


class OnLegalHold(Conflict):
    """What was to be erased is kept for a legal claim. `details.hold_id` names the hold."""

    code = "legal_hold"


def invalid(field: str, why: str) -> InvalidRequest:
    """The refusal of one field."""
    return InvalidRequest(
        f"{field} {why}.", details={"field": field, "validation_errors": [f"{field}: {why}"]}
    )
