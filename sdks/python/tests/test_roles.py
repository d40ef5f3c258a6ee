"""Roles, members, organisations and people: what is sent."""

from __future__ import annotations

from datetime import UTC, datetime

from loopback import LoopbackApi, Reply

from leanvibe import LeanVibeClientSync

USER = {
    "id": "u1", "email": "a@b.example", "username": "a", "role": "viewer", "status": "active",
    "is_active": True, "email_verified": True, "tenant_id": "t1",
    "created_at": "2026-03-02T12:00:00Z",
}  # fmt: skip
ROLE = {
    "id": "r1", "name": "release", "description": "", "built_in": False,
    "permissions": ["self", "task:read"], "users_count": 0, "assignable": True,
}  # fmt: skip
EMPTY = {"data": [], "has_more": False, "next_cursor": None}


def test_a_role_is_made_changed_and_replaced(api: LoopbackApi, client: LeanVibeClientSync) -> None:
    api.answer("POST", "/v1/roles", Reply(201, ROLE))
    api.answer("PATCH", "/v1/roles/r1", Reply(200, ROLE))
    api.answer("DELETE", "/v1/roles/r1", Reply(204, None))

    made = client.roles.create(name="release", permissions=["task:read"])
    client.roles.update("r1", permissions=[])
    client.roles.delete("r1", replacement="viewer")

    assert made.permissions == ["self", "task:read"]
    assert api.seen[0].body == {"name": "release", "permissions": ["task:read"]}
    assert api.seen[1].body == {"permissions": []}
    assert api.seen[2].query == "replacement=viewer"


def test_people_are_searched_and_invited_together(
    api: LoopbackApi, client: LeanVibeClientSync
) -> None:
    api.answer("GET", "/v1/users", Reply(200, EMPTY))
    lines = [{"index": 0, "email": "a@b.example", "status": "invited"}]
    result = {"data": lines, "invited": 1, "refused": 0}
    api.answer("POST", "/v1/users/bulk-invite", Reply(201, result))

    before = datetime(2026, 1, 1, tzinfo=UTC)
    client.users.list(guest=True, sort="-email", last_login_before=before)
    answer = client.users.invite_many([{"email": "a@b.example"}], role="guest")

    assert set(api.seen[0].query.split("&")) == {
        "guest=true", "sort=-email", "last_login_before=2026-01-01T00%3A00%3A00%2B00%3A00",
    }  # fmt: skip
    assert answer.data[0].status == "invited"
    assert api.seen[1].body == {"invitations": [{"email": "a@b.example"}], "role": "guest"}


def test_members_and_organisations_have_their_paths(
    api: LoopbackApi, client: LeanVibeClientSync
) -> None:
    member = {
        "user_id": "u1", "email": "a@b.example", "username": "a", "role": "developer",
        "permissions": [], "created_at": "2026-03-02T12:00:00Z",
    }  # fmt: skip
    api.answer("PUT", "/v1/projects/p1/members/u1", Reply(200, member))
    api.answer("GET", "/v1/tenants/me/organizations", Reply(200, EMPTY))
    api.answer("POST", "/v1/tenants/me/ownership", Reply(200, USER))

    assert client.members.set("p1", "u1", role="developer").role == "developer"
    assert list(client.organizations.list(depth=1)) == []
    client.users.hand_over("u1")

    assert api.seen[0].body == {"role": "developer"}
    assert api.seen[1].query == "depth=1"
    assert api.seen[2].body == {"user_id": "u1"}
