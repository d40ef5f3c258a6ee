"""The form of a new task: the kinds of work, and how their fields become a task."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from leanvibe_server.engine.schemas import NewTask
from leanvibe_server.web.forms import Form, fill, misfilled

FREE = "free"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_FIELD = re.compile(r"([A-Za-z_]\w*)\s*:\s*([A-Za-z_][\w\[\] |]*)")


@dataclass(frozen=True)
class Kind:
    """One kind of work to choose from."""

    name: str
    label: str
    text: str
    title: str


KINDS = (
    Kind(
        FREE,
        "Describe it in your own words",
        "Title and description say what to do.",
        "",
    ),
    Kind(
        "crud_endpoint",
        "Add an API endpoint",
        "Routes, model, storage and tests for one resource, in the style of the repository.",
        "Add an endpoint",
    ),
    Kind(
        "lint_autofix",
        "Fix lint findings",
        "Everything ruff can fix safely, with the tests still green.",
        "Fix lint findings",
    ),
    Kind(
        "characterisation_tests",
        "Test an untested module",
        "Tests that pin what the code does today and raise its branch coverage.",
        "Add characterisation tests",
    ),
)


@dataclass(frozen=True)
class TaskInput:
    """The fields as they were typed, so that a refused form keeps them."""

    project_id: str = ""
    recipe: str = FREE
    title: str = ""
    description: str = ""
    endpoint: str = ""
    fields: str = ""
    methods: tuple[str, ...] = METHODS
    module: str = ""
    priority: str = "medium"

    @classmethod
    def read(cls, form: Form) -> "TaskInput":
        return cls(
            project_id=form.text("project_id"),
            recipe=form.text("recipe") or FREE,
            title=form.text("title"),
            description=form.text("description"),
            endpoint=form.text("endpoint"),
            fields=form.text("fields"),
            methods=tuple(form.all("methods")),
            module=form.text("module"),
            priority=form.text("priority") or "medium",
        )

    def task(self) -> NewTask:
        """The task as the engine takes it.

        Raises: InvalidRequest: a field does not fit.
        """
        kind = next((kind for kind in KINDS if kind.name == self.recipe), None)
        if kind is None:
            raise misfilled("recipe", "choose one of the kinds of work")
        title = self.title or self._own_title(kind)
        if not title:
            raise misfilled("title", "say in a few words what to do")
        values = {
            "title": title,
            "description": self.description or None,
            "project_id": _uuid(self.project_id),
            "priority": self.priority,
            "requirements": self._requirements(),
        }
        return fill(NewTask, values)

    def _own_title(self, kind: Kind) -> str:
        subject = {"crud_endpoint": self.endpoint, "characterisation_tests": self.module}
        named = subject.get(kind.name, "")
        return f"{kind.title}: {named}" if named else kind.title

    def _requirements(self) -> dict[str, Any]:
        if self.recipe == FREE:
            return {}
        wanted: dict[str, Any] = {"recipe": self.recipe}
        if self.recipe == "characterisation_tests" and self.module:
            wanted["module"] = self.module
        if self.recipe == "crud_endpoint":
            if not self.endpoint:
                raise misfilled("endpoint", "say the path, such as /api/invoices")
            if not self.methods:
                raise misfilled("methods", "choose at least one method")
            wanted["component_type"] = "api_endpoint"
            wanted["specification"] = {"endpoint": self.endpoint, "methods": list(self.methods)}
            if self.fields:
                wanted["specification"]["fields"] = _fields(self.fields)
        return wanted


def _fields(text: str) -> dict[str, str]:
    """`number: str, total: int` as a map."""
    found: dict[str, str] = {}
    for part in re.split(r"[,\n]", text):
        if not part.strip():
            continue
        match = _FIELD.fullmatch(part.strip())
        if match is None:
            raise misfilled("fields", f"write name: type, apart by commas; not {part.strip()!r}")
        found[match[1]] = match[2].strip()
    return found


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise misfilled("project_id", "choose a project") from None
