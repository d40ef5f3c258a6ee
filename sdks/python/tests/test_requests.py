"""Requests: what is sent, what is sent again and what is not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from loopback import PROJECT, TENANT, LoopbackApi, Reply, refusal, task_shape

from conftest import Naps
from leanvibe import LeanVibeClientSync, RetryPolicy, exceptions


def test_a_task_is_created_with_the_fields_given_and_no_others(
    api: LoopbackApi, client: LeanVibeClientSync
) -> None:
    api.answer("POST", "/v1/tasks", Reply(201, task_shape(jira_key="ACME-7")))

    task = client.tasks.create(
        project_id=PROJECT, title="Pay", description=None, jira_key="ACME-7", requestor="kim"
    )

    sent = api.seen[0]
    assert sent.body == {
        "project_id": PROJECT,
        "title": "Pay",
        "jira_key": "ACME-7",
        "requestor": "kim",
    }
    assert sent.headers["authorization"] == "Bearer lv_test_key"
    assert sent.headers["user-agent"].startswith("leanvibe-python/")
    assert task.jira_key == "ACME-7"


def test_the_tenant_is_named_when_it_is_known(api: LoopbackApi) -> None:
    api.answer("GET", "/v1/tenants/me/usage", Reply(200, {"tenant_id": TENANT}))
    with LeanVibeClientSync(api_key="k", base_url=api.base_url, tenant_id=TENANT) as client:
        client.tenants.usage()

    assert api.seen[0].headers["x-tenant-id"] == TENANT


def test_the_environment_fills_in_what_is_not_given(
    api: LoopbackApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answer("GET", "/v1/auth/me", Reply(200, {"id": "u1"}))
    monkeypatch.setenv("LEANVIBE_API_KEY", "lv_test_env")
    monkeypatch.setenv("LEANVIBE_BASE_URL", api.base_url.removesuffix("/v1"))
    monkeypatch.setenv("LEANVIBE_TENANT_ID", TENANT)

    with LeanVibeClientSync() as client:
        client.auth.me()

    assert api.seen[0].headers["authorization"] == "Bearer lv_test_env"
    assert api.seen[0].headers["x-tenant-id"] == TENANT


def test_a_lost_answer_to_a_post_is_asked_for_again_under_the_same_key(
    api: LoopbackApi, client: LeanVibeClientSync, naps: Naps
) -> None:
    made: list[str] = []

    def create(_: object) -> Reply:
        made.append("task")
        return Reply(201, task_shape())

    api.routes["POST", "/v1/tasks"] = create
    api.script.extend([Reply(drop=True), refusal(503, "service_unavailable", "Starting.")])

    client.tasks.create(title="Pay")

    keys = [seen.headers["idempotency-key"] for seen in api.seen]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert made == ["task"]
    assert naps.seconds == [0.5, 1.0]


def test_two_posts_have_two_keys(api: LoopbackApi, client: LeanVibeClientSync) -> None:
    api.answer("POST", "/v1/tasks", Reply(201, task_shape()))

    client.tasks.create(title="One")
    client.tasks.create(title="Two")

    first, second = (seen.headers["idempotency-key"] for seen in api.seen)
    assert first != second


def test_a_rate_limit_is_waited_for_as_long_as_the_server_says(
    api: LoopbackApi, client: LeanVibeClientSync, naps: Naps
) -> None:
    api.script.append(refusal(429, "rate_limited", "Slow down.", headers={"Retry-After": "7"}))
    api.answer("GET", "/v1/auth/me", Reply(200, {"id": "u1"}))

    client.auth.me()

    assert naps.seconds == [7.0]


def test_a_rate_limit_of_an_hour_is_raised_at_once(
    api: LoopbackApi, client: LeanVibeClientSync, naps: Naps
) -> None:
    api.script.append(refusal(429, "rate_limited", "Slow down.", headers={"Retry-After": "3600"}))

    with pytest.raises(exceptions.RateLimitError) as caught:
        client.auth.me()

    assert caught.value.retry_after == 3600.0
    assert naps.seconds == []


def test_a_spent_quota_is_not_asked_for_again(api: LoopbackApi, client: LeanVibeClientSync) -> None:
    details = {
        "quota_type": "api_calls",
        "current_usage": 100000,
        "quota_limit": 100000,
        "reset_date": "2026-02-01T00:00:00Z",
    }
    offer = {"plan": "enterprise", "monthly_price": 80000, "benefits": ["Priority support"]}
    api.script.append(
        refusal(
            429,
            "quota_exceeded",
            "Monthly API quota exceeded",
            details=details,
            upgrade_options=[offer],
        )
    )

    with pytest.raises(exceptions.QuotaExceededError) as caught:
        client.tasks.create(title="Pay")

    error = caught.value
    assert (error.quota_type, error.current_usage, error.quota_limit) == (
        "api_calls",
        100000,
        100000,
    )
    assert error.reset_date == datetime(2026, 2, 1, tzinfo=UTC)
    assert error.upgrade_options[0]["plan"] == "enterprise"
    assert error.upgrade_options[0]["monthly_price"] / 100 == 800
    assert len(api.seen) == 1


def test_patience_ends_after_the_retries_allowed(api: LoopbackApi, naps: Naps) -> None:
    for _ in range(5):
        api.script.append(refusal(503, "service_unavailable", "Down."))
    retry = RetryPolicy(max_retries=2)
    with (
        LeanVibeClientSync(
            api_key="k", base_url=api.base_url, retry=retry, sleep=naps.sleep
        ) as client,
        pytest.raises(exceptions.ServiceUnavailableError),
    ):
        client.auth.me()

    assert len(api.seen) == 3
    assert 0.25 <= naps.seconds[0] <= 0.5
    assert 0.5 <= naps.seconds[1] <= 1.0


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_request", exceptions.InvalidRequestError),
        (401, "unauthorized", exceptions.AuthenticationError),
        (401, "mfa_required", exceptions.MfaRequiredError),
        (402, "billing_required", exceptions.BillingRequiredError),
        (403, "forbidden", exceptions.PermissionDeniedError),
        (403, "tenant_suspended", exceptions.TenantSuspendedError),
        (404, "not_found", exceptions.NotFoundError),
        (405, "method_not_allowed", exceptions.InvalidRequestError),
        (409, "conflict", exceptions.ConflictError),
        (413, "payload_too_large", exceptions.InvalidRequestError),
        (429, "quota_exceeded", exceptions.QuotaExceededError),
        (500, "server_error", exceptions.ServerError),
        (503, "sandbox_unavailable", exceptions.SandboxUnavailableError),
    ],
)
def test_each_code_of_the_wire_has_its_error(
    api: LoopbackApi,
    client: LeanVibeClientSync,
    status: int,
    code: str,
    kind: type[exceptions.LeanVibeError],
) -> None:
    api.script.append(refusal(status, code, "No.", details={"why": "because"}))

    with pytest.raises(kind) as caught:
        client.auth.me()

    error = caught.value
    assert type(error) is kind
    assert (error.message, error.code, error.status) == ("No.", code, status)
    assert error.details == {"why": "because"}
    assert error.request_id is not None
    assert len(api.seen) == 1


def test_an_answer_of_a_proxy_still_has_a_clear_error(
    api: LoopbackApi, client: LeanVibeClientSync
) -> None:
    api.script.append(Reply(404, text="<html>nothing here</html>"))
    with pytest.raises(exceptions.NotFoundError, match="answered 404"):
        client.auth.me()

    api.script.append(Reply(200, text="<html>log in</html>"))
    with pytest.raises(exceptions.ServerError, match="Check the base URL"):
        client.auth.me()


def test_a_dead_address_is_named(naps: Naps) -> None:
    with (
        LeanVibeClientSync(base_url="http://127.0.0.1:9/v1", sleep=naps.sleep) as client,
        pytest.raises(exceptions.ConnectionFailedError, match=r"127\.0\.0\.1:9") as caught,
    ):
        client.auth.me()

    assert caught.value.status is None
    assert len(naps.seconds) == 3


def test_a_slow_server_is_not_waited_for_forever(api: LoopbackApi, naps: Naps) -> None:
    api.renewal_takes_s = 0.4
    with (
        LeanVibeClientSync(
            access_token="access-0",
            refresh_token="refresh-0",
            base_url=api.base_url,
            timeout_s=0.05,
            sleep=naps.sleep,
            retry=RetryPolicy(max_retries=0),
        ) as client,
        pytest.raises(exceptions.ConnectionFailedError, match="did not answer in time"),
    ):
        client.auth.refresh()


@pytest.mark.parametrize("task_id", ["", ".", ".."])
def test_an_empty_id_never_reaches_another_resource(
    api: LoopbackApi, client: LeanVibeClientSync, task_id: str
) -> None:
    with pytest.raises(exceptions.InvalidRequestError, match="id"):
        client.tasks.cancel(task_id)
    assert api.seen == []


def test_a_number_json_cannot_say_is_refused_before_anything_is_sent(
    api: LoopbackApi, client: LeanVibeClientSync
) -> None:
    with pytest.raises(exceptions.InvalidRequestError, match="JSON"):
        client.tasks.create(title="x", requirements={"share": float("nan")})
    assert api.seen == []


def test_a_deletion_whose_answer_was_lost_is_done(
    api: LoopbackApi, client: LeanVibeClientSync
) -> None:
    api.script.extend([Reply(drop=True), refusal(404, "not_found", "Gone.")])
    client.projects.delete("p1")

    api.script.append(refusal(404, "not_found", "Never was."))
    with pytest.raises(exceptions.NotFoundError, match="Never was"):
        client.projects.delete("p2")


def test_an_id_is_quoted_into_its_path(api: LoopbackApi, client: LeanVibeClientSync) -> None:
    with pytest.raises(exceptions.NotFoundError):
        client.tasks.get("a/../b?c")
    assert api.seen[0].path == "/v1/tasks/a/../b?c"
    assert api.seen[0].query == ""


def test_pages_follow_one_another_to_the_last(api: LoopbackApi, client: LeanVibeClientSync) -> None:
    def page(seen: object) -> Reply:
        query = getattr(seen, "query", "")
        if "cursor=two" in query:
            return Reply(
                200, {"data": [task_shape(id="c")], "has_more": False, "next_cursor": None}
            )
        rows = [task_shape(id="a"), task_shape(id="b")]
        return Reply(200, {"data": rows, "has_more": True, "next_cursor": "two"})

    api.routes["GET", "/v1/tasks"] = page

    first = client.tasks.list(status="queued", limit=2)
    everything = [task.id for task in client.tasks.iterate(status="queued", limit=2)]

    assert [task.id for task in first] == ["a", "b"]
    assert (len(first), first.has_more, first.next_cursor) == (2, True, "two")
    assert everything == ["a", "b", "c"]
    assert set(api.seen[-1].query.split("&")) == {"status=queued", "limit=2", "cursor=two"}


def test_a_wait_ends_when_the_task_does(
    api: LoopbackApi, client: LeanVibeClientSync, naps: Naps
) -> None:
    states = iter(["queued", "in_progress", "completed"])
    path = "/v1/tasks/t1"
    api.routes["GET", path] = lambda _: Reply(200, task_shape(id="t1", status=next(states)))

    assert client.tasks.wait("t1").status == "completed"
    assert naps.seconds == [1.0, 1.0]


def test_a_wait_gives_up_in_time(api: LoopbackApi, client: LeanVibeClientSync) -> None:
    api.answer("GET", "/v1/tasks/t1", Reply(200, task_shape(id="t1", status="in_progress")))

    with pytest.raises(exceptions.WaitTimeoutError, match="still in_progress"):
        client.tasks.wait("t1", timeout_s=0.05)
