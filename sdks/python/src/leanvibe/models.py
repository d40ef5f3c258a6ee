"""The shapes of the API's answers. Newer servers may add fields; those are kept too."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from leanvibe._records import Record

__all__ = [
    "ApiKey",
    "AuditEntry",
    "BillingUsage",
    "CodeCompletion",
    "CodeFile",
    "Deliverables",
    "Identity",
    "Login",
    "Project",
    "QuotaCheck",
    "Record",
    "Task",
    "TaskBatch",
    "TaskCode",
    "TaskDiff",
    "TaskProblem",
    "TaskStatus",
    "TaskStep",
    "TaskUpdate",
    "Tenant",
    "TenantUsage",
    "UpgradeOption",
    "User",
]


class UpgradeOption(Record):
    """A plan that would lift the limit; `monthly_price` in cents."""

    plan: str
    monthly_price: int
    benefits: list[str]


class User(Record):
    """A person in a tenant."""

    id: str
    email: str
    role: str
    tenant_id: str
    name: str | None = None
    status: str | None = None
    created_at: datetime | None = None


class Login(Record):
    """A session that was just opened, renewed or moved; `expires_in` in seconds."""

    success: bool
    access_token: str
    refresh_token: str
    expires_in: int
    user: User


class Identity(Record):
    """Who the credentials speak for."""

    id: str
    email: str | None = None
    role: str
    tenant_id: str


class ApiKey(Record):
    """A key for programs; `key` is there once, in the answer to its creation."""

    id: str
    name: str
    key: str | None = None
    prefix: str | None = None
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


class Tenant(Record):
    """An organisation, its plan and its limits."""

    id: str
    organization_name: str
    slug: str
    status: str
    plan: str
    data_residency: str
    quotas: Record
    current_usage: Record
    created_at: datetime
    trial_ends_at: datetime | None = None


class TenantUsage(Record):
    """What the tenant has used of what its plan allows."""

    tenant_id: str
    users_count: int
    projects_count: int
    api_calls_this_month: int
    storage_used_mb: float
    ai_requests_today: int
    concurrent_sessions: int
    quotas: Record
    last_updated: datetime


class QuotaCheck(Record):
    """Whether an amount still fits into a quota."""

    quota_type: str
    available: bool
    current_usage: int
    quota_limit: int
    requested_amount: int
    remaining: int


class Project(Record):
    """A git repository and how the engine may work on it."""

    id: str
    name: str
    description: str | None = None
    tech_stack: list[str]
    repository_url: str | None = None
    default_branch: str | None = None
    ai_assistance_level: str | None = None
    configuration: Record
    has_credentials: bool
    created_at: datetime
    updated_at: datetime


class Deliverables(Record):
    """What a task made, counted from its diff."""

    files_created: int | None = None
    files_changed: int | None = None
    tests_written: int | None = None
    api_endpoints: int | None = None


class TaskProblem(Record):
    """Why a task failed; `code` is stable, `details` say what would help."""

    code: str
    message: str
    details: dict[str, Any]


class Task(Record):
    """A piece of development work on one project."""

    id: str
    status: str
    project_id: str
    title: str
    description: str | None = None
    priority: str | None = None
    estimated_complexity: str | None = None
    requirements: dict[str, Any]
    progress_percentage: int
    current_step: str | None = None
    milestones_completed: list[str]
    next_milestones: list[str]
    estimated_duration_minutes: float | None = None
    estimated_completion: datetime | None = None
    assigned_agent: str | None = None
    deliverables: Deliverables | None = None
    quality_score: float | None = None
    quality: Record | None = None
    error: TaskProblem | None = None
    recipe: str | None = None
    branch: str | None = None
    base_branch: str | None = None
    commit_sha: str | None = None
    delivery: str | None = None
    parent_task_id: str | None = None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    tracking_url: str
    websocket_url: str

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to this task."""
        return self.status in FINISHED


FINISHED = frozenset({"completed", "failed", "cancelled"})


class TaskBatch(Record):
    """Several tasks asked for at once."""

    data: list[Task]


class TaskStep(Record):
    """One of the six steps of a task."""

    name: str
    status: str
    started_at: datetime | None = None
    finished_at: datetime | None = None


class TaskStatus(Record):
    """Where a task stands, step by step."""

    status: str
    progress_percentage: int
    current_step: str | None = None
    steps: list[TaskStep]


class CodeFile(Record):
    """One file a task wrote."""

    path: str
    content: str | None = None


class TaskCode(Record):
    """The files a task wrote."""

    task_id: str
    files: list[CodeFile]


class TaskDiff(Record):
    """The change a task made, as a unified diff."""

    task_id: str
    diff: str
    branch: str | None = None
    base_commit: str | None = None


class TaskUpdate(Record):
    """One message of a task's live stream; `event_id` is where a later stream may resume."""

    type: str
    event_id: str | None = None
    task_id: str | None = None
    status: str | None = None
    progress_percentage: int | None = None
    percentage: int | None = None
    current_step: str | None = None
    message: str | None = None
    timestamp: datetime | None = None
    deliverables: Deliverables | None = None
    quality_score: float | None = None
    error: TaskProblem | None = None
    step: str | None = None
    log: str | None = None


class AuditEntry(Record):
    """One line of the audit log."""

    id: str
    event_type: str
    created_at: datetime | None = None


class BillingUsage(Record):
    """The use of the current billing period; money in the currency's minor unit."""

    usage_metrics: Record
    projected_cost: int
    currency: str

    @property
    def api_calls(self) -> int:
        """API calls in this period."""
        return int(self.usage_metrics["api_calls"])


class CodeCompletion(Record):
    """An answer of the completion service; `confidence` is measured or None."""

    status: str
    intent: str | None = None
    response: str
    confidence: float | None = None
    requires_review: bool | None = None
    suggestions: list[str]
    processing_time_ms: float | None = None
