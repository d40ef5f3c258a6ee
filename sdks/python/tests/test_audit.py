"""What the client asks of the audit log."""

from __future__ import annotations

from loopback import LoopbackApi, Reply

from leanvibe import LeanVibeClientSync

VERDICT = {
    "tenant_id": "t1", "valid": True, "entries": 3, "seals": 1, "head": "ab", "fault": None,
    "checked_at": "2026-03-02T12:00:00Z",
}  # fmt: skip


def test_a_platform_admin_says_why_and_nobody_else_sends_a_reason(
    api: LoopbackApi, client: LeanVibeClientSync
) -> None:
    empty = {"data": [], "has_more": False, "next_cursor": None}
    api.answer("GET", "/v1/admin/audit/auth", Reply(200, empty))
    api.answer("GET", "/v1/admin/audit/verify", Reply(200, VERDICT))

    client.audit.list(area="auth", tenant_id="t1", reason="ticket 4711 is open")
    client.audit.verify(tenant_id="t1", reason="ticket 4711 is open")
    client.audit.list(area="auth", limit=5)

    said = [request.headers.get("x-break-glass-reason") for request in api.seen]
    assert said == ["ticket 4711 is open", "ticket 4711 is open", None]
    assert [request.query for request in api.seen] == ["tenant_id=t1", "tenant_id=t1", "limit=5"]
