"""What tasks keep of people."""

from leanvibe_server.kernel.personal_data import TableData

TABLES = (
    TableData(
        "task_steps", "Work on the organisation's code", withheld=frozenset({"snapshot", "claim"})
    ),
    TableData(
        "tasks",
        "Work on the organisation's code",
        ("who asked for it",),
        person="created_by = {person}",
        kept_because="belongs to the organisation; who asked is a pseudonym",
    ),
)
