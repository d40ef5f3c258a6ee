"""Rows of the engine, and the words for where a task stands."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

STEPS = (
    "requirements_analysis",
    "code_generation",
    "test_generation",
    "documentation",
    "validation",
    "delivery",
)
# How far a task is once the step of the same place has begun, and 100 at the end: a percentage
# weighted by how long the steps take.
PROGRESS = (0, 15, 40, 55, 60, 92, 100)

QUEUED = "queued"
IN_PROGRESS = "in_progress"
COMPLETED = "completed"
FAILED = "failed"
CANCELLED = "cancelled"
STATUSES = (QUEUED, IN_PROGRESS, "awaiting_approval", COMPLETED, FAILED, CANCELLED)
UNFINISHED = frozenset({QUEUED, IN_PROGRESS, "awaiting_approval"})


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of development work on one project.

    `run` counts the attempts a person asked for, from 1. `reserved_at` is when this run took its
    place in the daily quota; None once that is settled.
    """

    tenant_id: UUID
    id: UUID
    project_id: UUID
    title: str
    description: str
    priority: str
    estimated_complexity: str | None
    requirements: dict[str, Any]
    extra: dict[str, Any]
    status: str
    progress_percentage: int
    current_step: str | None = None
    run: int
    recipe: str | None = None
    plan: dict[str, Any] | None = None
    assigned_agent: str
    base_branch: str | None = None
    base_commit: str | None = None
    branch: str | None = None
    commit_sha: str | None = None
    delivery: str | None = None
    delivery_reason: str | None = None
    branch_deleted_at: datetime | None = None
    deliverables: dict[str, Any] | None = None
    quality_score: Decimal | None = None
    quality: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    parent_task_id: UUID | None
    created_by: UUID | None
    cancel_requested_at: datetime | None = None
    reserved_at: datetime | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None

    @property
    def finished(self) -> bool:
        return self.status not in UNFINISHED


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of one run. Its snapshot is read apart, for it may be large."""

    run: int
    position: int
    name: str
    status: str
    input: dict[str, Any]
    output: dict[str, Any] | None
    tool_calls: list[dict[str, Any]]
    error: dict[str, Any] | None
    cost_cents: Decimal
    claim: UUID
    started_at: datetime
    completed_at: datetime | None
    duration_ms: int | None
