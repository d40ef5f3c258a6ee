"""The reference pages list what the code holds, all of it, and nothing that is not there."""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import click

import leanvibe_server
from leanvibe_server.cli import main as server
from leanvibe_server.entitlements.plans import PLANS
from leanvibe_server.entitlements.service import QUOTAS
from leanvibe_server.kernel.access import ROLE_PERMISSIONS, Permission, Role
from leanvibe_server.kernel.config import describe_settings
from leanvibe_server.kernel.errors import AppError
from leanvibe_server.kernel.events import Event
from leanvibe_server.kernel.ratelimit import ANONYMOUS
from leanvibe_server.realtime.messages import TYPES
from leanvibe_server.realtime.sockets import GOING_AWAY, NORMAL, TOO_SLOW
from leanvibe_server.web.permission_texts import meaning_of
from tests.docs.pages import ROOT, read_page


def rows_of(page: str) -> list[list[str]]:
    """The rows of a page's tables as their cells."""
    lines = [line for line in read_page(page).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def first_cells(page: str) -> set[str]:
    """What stands as code in the first column of a page's tables."""
    return {row[0].strip("`") for row in rows_of(page) if row[0].startswith("`")}


def load_house() -> None:
    for module in pkgutil.walk_packages(leanvibe_server.__path__, "leanvibe_server."):
        if ".inside." not in module.name and ".versions." not in module.name:
            importlib.import_module(module.name) if _is_plain(module.name) else None


def _is_plain(name: str) -> bool:
    return name.rpartition(".")[2] not in ("env", "__main__", "step_down")


def descendants(kind: type) -> Iterator[type]:
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


def test_every_setting_is_listed_with_its_default_and_meaning() -> None:
    listed = {row[0].strip("`"): row[1:] for row in rows_of("reference/settings.md")}
    for name, default, meaning in describe_settings():
        assert listed[name] == [f"`{default}`" if default else "empty", meaning]
    assert first_cells("reference/settings.md") == {name for name, _, _ in describe_settings()}


def test_the_matrix_of_roles_is_that_of_the_code() -> None:
    heading, _, *rows = rows_of("reference/roles.md")
    assert heading[2:] == [role.value for role in Role]
    assert [row[0].strip("`") for row in rows] == [permission.value for permission in Permission]
    for permission, row in zip(Permission, rows, strict=True):
        assert row[1] == meaning_of(permission)
        for role, cell in zip(Role, row[2:], strict=True):
            assert (cell == "✓") == (permission in ROLE_PERMISSIONS[role]), (permission, role)


def test_every_error_code_is_listed_with_its_status() -> None:
    load_house()
    listed = {row[0].strip("`"): row[1] for row in rows_of("reference/errors.md")}
    ours = [kind for kind in descendants(AppError) if kind.__module__.startswith("leanvibe_server")]
    for kind in ours:
        assert kind.code in listed, kind
        if listed[kind.code].isdigit():
            assert listed[kind.code] == str(kind.status), kind


def test_every_command_of_the_server_is_listed() -> None:
    listed = {
        name for row in rows_of("reference/cli.md") for name in re.findall(r"`(.+?)`", row[0])
    }
    commands = {
        f"{name} {inner}".strip()
        for name, command in server.commands.items()
        for inner in (command.commands if isinstance(command, click.Group) else [""])
    }
    assert {"keys rotate", "migrate"} <= commands
    assert commands - listed == set()


def test_every_reason_of_a_refusal_is_listed() -> None:
    house = ROOT / "src" / "leanvibe_server"
    texts = [path.read_text() for path in house.rglob("*.py") if "web" not in path.parts]
    said = set(re.findall(r'"reason": "(\w+)"', "\n".join(texts)))
    listed = {
        name
        for row in rows_of("reference/errors.md")
        if row[0].isdigit()
        for name in re.findall(r"`(\w+)`", row[1])
    }
    assert {"step_up_required", "session_too_old"} <= listed
    assert said - listed == set()


def test_every_code_a_task_may_fail_with_is_listed() -> None:
    engine = ROOT / "src" / "leanvibe_server" / "engine"
    text = "\n".join(path.read_text() for path in engine.rglob("*.py"))
    codes = set(re.findall(r'(?:TaskFailure|Refused)\(\s*"(\w+)"', text))

    assert {"no_recipe", "gates_failed", "nothing_to_raise"} <= codes
    # What a program calls unmet, the task calls no_recipe.
    assert codes - {"unmet"} <= first_cells("reference/errors.md")


def test_every_event_is_listed_with_its_area_and_fields() -> None:
    load_house()
    listed = {row[0].strip("`"): row[1:] for row in rows_of("reference/events.md")}
    events = [kind for kind in descendants(Event) if "name" in vars(kind)]
    told = [kind for kind in events if kind.__module__.startswith("leanvibe_server")]
    for kind in told:
        area, audited, fields = listed[kind.name]
        assert area == kind.area
        assert (audited == "✓") == kind.audited
        assert fields == ", ".join(f"`{name}`" for name in kind.__struct_fields__)
    assert first_cells("reference/events.md") == {kind.name for kind in told}


def test_every_kind_of_live_message_and_close_code_is_listed() -> None:
    page = read_page("reference/live-updates.md")
    assert {*TYPES.values(), "task_update"} <= first_cells("reference/live-updates.md")
    for code in (NORMAL, GOING_AWAY, TOO_SLOW):
        assert f"| {code} |" in page


def test_every_rate_and_quota_is_listed_with_its_numbers() -> None:
    rows = {row[0].strip("`"): row for row in rows_of("reference/rate-limits-and-quotas.md")}
    for plan in PLANS.values():
        assert rows[plan.slug][1:] == [f"{plan.rate.per_minute:,}", f"{plan.rate.burst:,}"]
    everybody = next(row for name, row in rows.items() if name.startswith("without credentials"))
    assert everybody[1:] == [f"{ANONYMOUS.per_minute:,}", f"{ANONYMOUS.burst:,}"]
    for quota, (limit, _) in QUOTAS.items():
        amounts = [f"{getattr(plan.limits, limit):,}" for plan in PLANS.values()]
        assert rows[quota][2:] == amounts, quota
