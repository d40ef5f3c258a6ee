"""No security-relevant act without its entry, and no entry without the act."""

import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest

from leanvibe_server.kernel import scope as kernel_scope
from leanvibe_server.kernel.events import Event
from leanvibe_server.kernel.scope import SYSTEM, Scope
from tests.docs.test_reference import descendants, load_house
from tests.given import Organisation

AREAS = ("auth", "security", "privacy", "billing", "tenant", "project")


def _events() -> Iterator[type[Event]]:
    load_house()
    for kind in descendants(Event):
        ours = kind.__module__.startswith("leanvibe_server")
        if ours and "name" in vars(kind) and kind.audited and kind.area in AREAS:
            yield kind


def _made_up(kind: type[Event]) -> Event:
    """An event of the class with values of the right types."""
    hints = typing.get_type_hints(kind)
    return kind(**{name: _value(hints[name]) for name in kind.__struct_fields__})


def _value(kind: Any) -> Any:
    tries = (None, "x", 1, True, UUID(int=5), datetime(2026, 1, 1, tzinfo=UTC), [], {}, 0.5)
    for value in tries:
        try:
            msgspec.convert(msgspec.to_builtins(value), kind)
        except msgspec.ValidationError:
            continue
        return value
    raise TypeError(kind)


@pytest.mark.parametrize(
    "kind", sorted(_events(), key=lambda kind: kind.name), ids=lambda k: k.name
)
async def test_sec_audit_01_an_event_is_there_with_its_effect_or_neither_is(
    acme: Organisation, admin: asyncpg.Connection, kind: type[Event]
) -> None:
    house = acme.house

    async def traces(event_id: UUID) -> list[int]:
        return [
            await admin.fetchval(f"SELECT count(*) FROM {table} WHERE {column} = $1", event_id)
            for table, column in (("events", "id"), ("unsealed_events", "event_id"))
        ]

    async def effect() -> str | None:
        found: str | None = await admin.fetchval(
            "SELECT suspended_reason FROM tenants WHERE id = $1", acme.id
        )
        return found

    for commits in (False, True):
        transaction = await house.database.begin_tenant(acme.id)
        scope = Scope(transaction.conn, acme.id, SYSTEM, house.clock, house)
        await scope.conn.execute("UPDATE tenants SET suspended_reason = $1", kind.name)
        event_id = await scope.emit(_made_up(kind))
        await (transaction.commit() if commits else transaction.rollback())
        assert await traces(event_id) == [int(commits)] * 2
        assert (await effect() == kind.name) is commits


ACTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a user is added": ("POST", "/v1/users", {"email": "new@{mark}.example", "role": "viewer"}),
    "a role is given": ("PATCH", "/v1/users/{viewer}", {"role": "developer"}),
    "a user is disabled": ("PATCH", "/v1/users/{viewer}", {"status": "disabled"}),
    "a role is made": ("POST", "/v1/roles", {"name": "reader", "permissions": ["project:read"]}),
    "a key is made": ("POST", "/v1/api-keys", {"name": "k"}),
    "a policy is set": ("PUT", "/v1/tenants/me/security", {"max_sessions": 3}),
    "a data key is rotated": ("POST", "/v1/tenants/me/keys/rotate", {}),
    "an export is asked for": ("POST", "/v1/privacy/exports", {}),
    "a person is erased": ("POST", "/v1/privacy/erasures", {"user_id": "{viewer}"}),
    "a consent is given": ("POST", "/v1/privacy/consents", {"purpose": "p", "version": "1"}),
    "a period is set": ("PATCH", "/v1/privacy/retention", {"days": {"event_personal": 365}}),
    "the log is exported": ("GET", "/v1/admin/audit?format=csv", {}),
    "a project is made": ("POST", "/v1/projects", {"name": "p"}),
    "a session ends": ("POST", "/v1/auth/logout", {}),
    "someone signs in": (
        "POST", "/v1/auth/login", {"email": "{viewer_email}", "password": "{password}"},
    ),
}  # fmt: skip
# What an act may touch that has no entry of its own: counters, and when a session was last seen.
UNTOLD = ("usage_counters", "usage_events", "idempotency_keys", "login_failures")


async def _picture(admin: asyncpg.Connection, tenant_id: UUID) -> dict[str, Any]:
    """Every table of the tenant, so that any change shows."""
    tables = await admin.fetch(
        "SELECT table_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name = 'tenant_id'"
    )
    shown = {
        row["table_name"]: await admin.fetchval(
            f"SELECT md5(string_agg((to_jsonb(x) - 'last_seen_at' - 'last_login_at')::text, ','"
            f" ORDER BY x::text)) FROM {row['table_name']} x WHERE tenant_id = $1",
            tenant_id,
        )
        for row in tables
        if row["table_name"] not in UNTOLD
    }
    shown["tenants"] = await admin.fetchval(
        "SELECT md5(x::text) FROM tenants x WHERE id = $1", tenant_id
    )
    return shown


def _filled(value: Any, words: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(one, words) for name, one in value.items()}
    return value.format(**words) if isinstance(value, str) else value


@pytest.mark.parametrize("act", ACTS)
async def test_sec_audit_01_an_act_whose_entry_cannot_be_written_does_not_happen(
    client: httpx.AsyncClient,
    acme: Organisation,
    admin: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    act: str,
) -> None:
    viewer = acme.people["viewer"]
    words = {
        "viewer": str(viewer.id),
        "viewer_email": viewer.email,
        "password": viewer.password,
        "mark": acme.id.hex,
    }
    method, path, body = ACTS[act]
    headers = await acme.headers(client)
    before = await _picture(admin, acme.id)

    async def broken(*given: object) -> UUID:
        raise RuntimeError("the log is full")

    async def do() -> httpx.Response:
        return await client.request(
            method,
            path.format(**words),
            json=_filled(body, words) if method != "GET" else None,
            headers={} if "login" in path else headers,
        )

    with monkeypatch.context() as patched:
        patched.setattr(kernel_scope, "write_event", broken)
        answer = await do()
    assert answer.status_code == 500, answer.text
    assert await _picture(admin, acme.id) == before
    answer = await do()
    assert answer.status_code < 300, answer.text
    after = await _picture(admin, acme.id)
    assert after["events"] != before["events"]
