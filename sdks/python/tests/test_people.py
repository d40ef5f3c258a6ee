"""What the client asks of people, and how it reads the answers."""

from __future__ import annotations

from datetime import UTC, datetime

from loopback import LoopbackApi, Reply

from leanvibe import LeanVibeClientSync

USER = {
    "id": "u1", "email": "a@b.example", "username": "a", "role": "viewer", "status": "active",
    "is_active": True, "email_verified": True, "tenant_id": "t1", "mfa_enabled": True,
    "created_at": "2026-03-02T12:00:00Z",
}  # fmt: skip
EMPTY = {"data": [], "has_more": False, "next_cursor": None}


def test_people_are_searched_by_second_factor_and_sign_in(
    api: LoopbackApi, client: LeanVibeClientSync
) -> None:
    api.answer("GET", "/v1/users", Reply(200, EMPTY))
    api.answer("GET", "/v1/users/u1", Reply(200, USER))
    api.answer("GET", "/v1/invitations", Reply(200, EMPTY))

    client.users.list(mfa="none", last_login_after=datetime(2026, 1, 1, tzinfo=UTC))
    person = client.users.get("u1")
    client.users.invitations(state="expired")

    assert set(api.seen[0].query.split("&")) == {
        "mfa=none", "last_login_after=2026-01-01T00%3A00%3A00%2B00%3A00",
    }  # fmt: skip
    assert person.mfa_enabled is True
    assert api.seen[2].query == "state=expired"


def test_what_belongs_to_a_person_has_its_paths(
    api: LoopbackApi, client: LeanVibeClientSync
) -> None:
    identity = {
        "id": "i1", "provider_id": "p1", "provider_name": "Okta", "provider_type": "okta",
        "email": None, "subject": "00u1",
    }  # fmt: skip
    membership = {
        "project_id": "x1", "project_name": "API", "visibility": "members", "role": "manager",
        "created_at": "2026-03-02T12:00:00Z",
    }  # fmt: skip
    api.answer("GET", "/v1/users/u1/identities", Reply(200, {"data": [identity]}))
    api.answer("DELETE", "/v1/users/u1/identities/i1", Reply(204, None))
    api.answer("GET", "/v1/users/u1/mfa", Reply(200, {"data": [], "backup_codes_left": 8}))
    api.answer("GET", "/v1/users/u1/groups", Reply(200, {"data": []}))
    api.answer("GET", "/v1/users/u1/projects", Reply(200, {**EMPTY, "data": [membership]}))

    linked = client.users.identities("u1").data
    client.users.unlink("u1", linked[0].id)

    assert linked[0].subject == "00u1"
    assert client.users.factors("u1").backup_codes_left == 8
    assert client.users.groups("u1").data == []
    assert client.users.projects("u1").data[0].role == "manager"


def test_the_members_of_a_group_are_listed(api: LoopbackApi, client: LeanVibeClientSync) -> None:
    group = {
        "id": "g1", "name": "Engineers", "description": "", "role": None, "members_count": 1,
        "created_at": "2026-03-02T12:00:00Z",
    }  # fmt: skip
    member = {
        "user_id": "u1", "email": "a@b.example", "username": "a",
        "added_at": "2026-03-02T12:00:00Z",
    }  # fmt: skip
    api.answer("GET", "/v1/groups/g1", Reply(200, group))
    api.answer("GET", "/v1/groups/g1/members", Reply(200, {**EMPTY, "data": [member]}))

    assert client.groups.get("g1").name == "Engineers"
    assert client.groups.members("g1").data[0].email == "a@b.example"
