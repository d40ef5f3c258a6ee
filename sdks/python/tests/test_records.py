"""Answers as objects: typed where known, complete where not."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime

import pytest
from loopback import PROJECT, task_shape

from leanvibe.models import BillingUsage, Task


def test_a_field_reads_as_attribute_and_by_key() -> None:
    task = Task(task_shape(title="Pay"))

    assert task.title == task["title"] == "Pay"
    assert task.get("nothing") is None
    assert "project_id" in task
    assert dict(task)["project_id"] == PROJECT


def test_times_are_aware() -> None:
    task = Task(task_shape(moved_at="2026-01-09T12:30:00+02:00"))

    assert task.created_at == datetime(2026, 1, 9, 10, 30, tzinfo=UTC)
    assert task.updated_at.microsecond == 123456
    assert task.moved_at == datetime(2026, 1, 9, 10, 30, tzinfo=UTC)
    assert task.completed_at is None


def test_what_a_newer_server_adds_is_kept_at_every_depth() -> None:
    task = Task(task_shape(owner={"team": {"name": "core"}}, labels=[{"id": 1}]))

    assert task.owner.team.name == "core"
    assert task["labels"][0].id == 1


def test_a_field_called_like_a_method_does_not_break_the_object() -> None:
    task = Task(task_shape(items=[1, 2], to_dict="x"))

    assert task["items"] == [1, 2]
    assert ("items", [1, 2]) in task.items()
    assert task.to_dict()["to_dict"] == "x"


def test_the_plain_form_is_what_came_over_the_wire() -> None:
    shape = task_shape(deliverables={"files_created": 2}, requirements={"fields": {"n": "int"}})
    task = Task(shape)

    assert json.loads(json.dumps(task.to_dict())) == shape
    task.to_dict()["requirements"]["fields"]["n"] = "changed"
    assert task.requirements == {"fields": {"n": "int"}}


def test_a_record_does_not_change_and_survives_copying() -> None:
    task = Task(task_shape())

    with pytest.raises(AttributeError, match="cannot be changed"):
        task.title = "other"
    assert copy.deepcopy(task) == task == pickle.loads(pickle.dumps(task))


def test_a_wrong_name_is_named() -> None:
    with pytest.raises(AttributeError, match="Task has no field 'titel'"):
        _ = Task(task_shape()).titel


def test_the_use_of_a_period_shows_its_calls_and_its_cost() -> None:
    usage = BillingUsage(
        {"usage_metrics": {"api_calls": 85000}, "projected_cost": 20000, "currency": "USD"}
    )

    assert usage.api_calls == 85000
    assert f"{usage.projected_cost / 100:.2f}" == "200.00"
