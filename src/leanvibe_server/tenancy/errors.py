"""Refusals of the tenancy room."""

from leanvibe_server.kernel.errors import Conflict


class OnLegalHold(Conflict):
    """What was to be erased is kept for a legal claim. `details.hold_id` names the hold."""

    code = "legal_hold"
