"""How states look: each has a word, a drawing and a tone, so that colour is never alone."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """`tone` is a class of the style sheet: ok, warn, bad, info, or none."""

    label: str
    icon: str
    tone: str = ""


STATUSES: dict[str, Look] = {
    "queued": Look("Queued", "clock"),
    "in_progress": Look("In progress", "running", "info"),
    "awaiting_approval": Look("Awaiting approval", "pause", "warn"),
    "completed": Look("Completed", "check", "ok"),
    "failed": Look("Failed", "cross", "bad"),
    "cancelled": Look("Cancelled", "stop"),
}
UNFINISHED = frozenset({"queued", "in_progress", "awaiting_approval"})

_OTHERS: dict[str, Look] = {
    "running": Look("Running", "running", "info"),
    "pending": Look("Waiting", "dot"),
    "done": Look("Done", "check", "ok"),
    "passed": Look("Passed", "check", "ok"),
    "not_run": Look("Did not run", "info", "warn"),
    "warning": Look("Warning", "warning", "warn"),
    "active": Look("Active", "check", "ok"),
    "invited": Look("Invited", "mail", "info"),
    "disabled": Look("Disabled", "stop"),
    "suspended": Look("Suspended", "stop", "bad"),
    "deleting": Look("Being deleted", "trash", "bad"),
    "revoked": Look("Revoked", "stop"),
    "expired": Look("Expired", "clock", "warn"),
    "ends_soon": Look("Ends soon", "clock", "warn"),
    "not_sent": Look("Not sent", "mail", "warn"),
    "accepted": Look("Accepted", "check", "ok"),
    "sent": Look("Sent", "check", "ok"),
    "waiting": Look("Waiting", "clock"),
}


def status_of(name: str) -> Look:
    """How a state looks; one without a look of its own is shown by its name."""
    return (
        STATUSES.get(name) or _OTHERS.get(name) or Look(name.replace("_", " ").capitalize(), "dot")
    )
