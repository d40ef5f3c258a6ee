"""What projects keep of people."""

from leanvibe_server.kernel.personal_data import TableData

_MAKER = "belongs to the organisation; its maker is a pseudonym"
TABLES = (
    TableData(
        "project_members", "Who works on a project", ("membership",),
        person="user_id = {person}", erasure="delete",
    ),
    TableData(
        "project_groups", "Which groups work on a project", ("who gave them their role",),
        person="added_by = {person}", kept_because=_MAKER,
    ),
    TableData(
        "projects", "Repositories to work on", ("who made it",), person="created_by = {person}",
        withheld=frozenset({"credentials_sealed"}), kept_because=_MAKER,
    ),
)  # fmt: skip
