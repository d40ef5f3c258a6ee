"""The first page after signing in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Response

from leanvibe_server.engine import service as engine
from leanvibe_server.engine.schemas import TaskView
from leanvibe_server.entitlements.plans import plan_of
from leanvibe_server.kernel.access import Permission
from leanvibe_server.kernel.pagination import PageRequest
from leanvibe_server.projects import service as projects
from leanvibe_server.web.page import ScopedPage, page
from leanvibe_server.web.routes import PageRouter
from leanvibe_server.web.statuses import UNFINISHED
from leanvibe_server.web.usage_view import meters

router = PageRouter()

SELF = page(Permission.SELF, abroad=True)
LOOKED_THROUGH = 50
SHOWN_FINISHED = 8


@dataclass(frozen=True)
class NextStep:
    """One thing a new organisation does first."""

    title: str
    text: str
    action: str
    path: str
    done: bool


@router.get("/")
async def show_overview(opened: Annotated[ScopedPage, SELF]) -> Response:
    """What is under way, what was finished, what is used, and for newcomers what to do next."""
    tasks = await _latest_tasks(opened)
    return opened.show(
        "overview/overview.html",
        plan_name=plan_of(opened.scope.plan).name,
        tasks=tasks,
        running=[task for task in tasks or () if task.status in UNFINISHED],
        recent=[task for task in tasks or () if task.status not in UNFINISHED][:SHOWN_FINISHED],
        next_steps=await _next_steps(opened, tasks or ()),
        can_create_task=opened.may_somewhere(Permission.TASK_CREATE),
        mail_kept=opened.scope.house.settings.keeps_mail
        and (opened.may(Permission.USER_CREATE) or opened.may(Permission.TENANT_ADMIN)),
        usage=await meters(opened.scope) if opened.may(Permission.USAGE_READ) else [],
    )


async def _latest_tasks(opened: ScopedPage) -> list[TaskView] | None:
    """The latest tasks; None for those who see none."""
    if not opened.may_somewhere(Permission.TASK_READ):
        return None
    page_request = PageRequest(limit=LOOKED_THROUGH)
    listed = await engine.list_tasks(opened.scope, page_request, status=None, project_id=None)
    return listed.data


async def _next_steps(opened: ScopedPage, tasks: Sequence[TaskView]) -> list[NextStep]:
    """The way to the first result, until there is one."""
    if not opened.may_somewhere(Permission.TASK_CREATE):
        return []
    if any(task.status == "completed" for task in tasks):
        return []
    listed = await projects.list_projects(opened.scope, PageRequest(limit=1))
    has_project = bool(listed.data)
    return [
        NextStep(
            "Add a project",
            "The git repository you want work done on, and what opens it.",
            "Add a project",
            "/projects/new" if opened.may(Permission.PROJECT_CREATE) else "",
            has_project,
        ),
        NextStep(
            "Start a task",
            "Choose a recipe or describe a change. You can watch every step.",
            "New task",
            "/tasks/new",
            bool(tasks),
        ),
        NextStep(
            "Review the branch",
            "A finished task leaves a branch in your repository and its diff here.",
            "See tasks",
            "/tasks" if tasks and opened.may_somewhere(Permission.TASK_READ) else "",
            False,
        ),
    ]
