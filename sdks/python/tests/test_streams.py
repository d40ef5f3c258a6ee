"""Live updates: every one once, over as many connections as it takes."""

from __future__ import annotations

import pytest
from loopback import TASK, LoopbackApi, refusal, task_events

from conftest import Naps
from leanvibe import LeanVibeClient, LeanVibeClientSync, exceptions

EVERY = ["e0", "e1", "e2", "e3", "e4", "e9"]


async def test_a_stream_gives_every_update_and_ends_with_the_task(
    api: LoopbackApi, aclient: LeanVibeClient
) -> None:
    updates = [update async for update in aclient.tasks.stream_updates(TASK)]

    assert [update.event_id for update in updates] == EVERY
    assert [update.type for update in updates][-1] == "completion"
    assert updates[1].progress_percentage == updates[1].percentage == 20
    assert updates[1].current_step == "requirements_analysis"
    assert updates[-1].status == "completed"
    assert updates[-1].deliverables is not None
    assert updates[-1].deliverables.files_created == 2
    assert api.seen[0].path == f"/v1/tasks/{TASK}/updates"
    assert api.seen[0].headers["authorization"] == "Bearer access-0"
    assert "access-0" not in api.seen[0].query


@pytest.mark.parametrize("drops", [[1], [2], [3, 2, 1], [0, 1], [6]])
async def test_a_broken_stream_resumes_without_loss_or_repetition(
    api: LoopbackApi, aclient: LeanVibeClient, drops: list[int]
) -> None:
    api.drop_after.extend(drops)

    updates = [update async for update in aclient.tasks.stream_updates(TASK)]

    assert [update.event_id for update in updates] == EVERY


def test_the_blocking_stream_resumes_too(
    api: LoopbackApi, client: LeanVibeClientSync, naps: Naps
) -> None:
    api.drop_after.extend([3, 2])

    assert [update.event_id for update in client.tasks.stream_updates(TASK)] == EVERY
    assert [seen.query for seen in api.seen] == ["", "after=e2", "after=e3"]
    assert len(naps.seconds) == 2


async def test_a_caller_may_resume_where_an_earlier_stream_ended(
    api: LoopbackApi, aclient: LeanVibeClient
) -> None:
    updates = [update async for update in aclient.tasks.stream_updates(TASK, after="e3")]

    assert [update.event_id for update in updates] == ["e4", "e9"]


async def test_a_failed_task_ends_its_stream_with_the_reason(
    api: LoopbackApi, aclient: LeanVibeClient
) -> None:
    api.events = task_events(last="error")

    *_, last = [update async for update in aclient.tasks.stream_updates(TASK)]

    assert last.status == "failed"
    assert last.error is not None
    assert last.error.code == "no_recipe"


async def test_a_cancelled_task_ends_its_stream(api: LoopbackApi, aclient: LeanVibeClient) -> None:
    api.events = [
        *task_events()[:2],
        {"type": "task_update", "event_id": "e8", "task_id": TASK, "status": "cancelled"},
    ]

    updates = [update async for update in aclient.tasks.stream_updates(TASK)]

    assert updates[-1].status == "cancelled"
    assert len(api.seen) == 1


@pytest.mark.parametrize("code", [1001, 1011, 1012, 4408, 4503])
async def test_a_stream_the_server_closes_for_a_while_resumes(
    api: LoopbackApi, aclient: LeanVibeClient, code: int
) -> None:
    # The second connection is closed when the state says "completed" but before the last word.
    api.drop_after.extend([3, 1])
    api.closings.extend([code, code])
    api.task_status = "completed"

    updates = [update async for update in aclient.tasks.stream_updates(TASK)]

    assert [update.event_id for update in updates] == EVERY


async def test_a_stream_closed_for_an_expired_token_goes_on_with_a_new_one(
    api: LoopbackApi, aclient: LeanVibeClient
) -> None:
    api.drop_after.append(3)
    api.closings.append(4401)

    updates = [update async for update in aclient.tasks.stream_updates(TASK)]

    assert [update.event_id for update in updates] == EVERY
    assert api.renewals == 1


async def test_the_last_word_is_heard_although_the_state_stood_at_it(
    api: LoopbackApi, aclient: LeanVibeClient
) -> None:
    api.events = task_events()[-1:]
    api.opening_id = "e9"
    api.task_status = "completed"

    updates = [update async for update in aclient.tasks.stream_updates(TASK)]

    assert [update.type for update in updates] == ["task_update", "completion"]


async def test_an_expired_token_is_renewed_for_the_stream(
    api: LoopbackApi, aclient: LeanVibeClient
) -> None:
    api.check_tokens = True
    api.access_token = "access-of-someone-later"

    updates = [update async for update in aclient.tasks.stream_updates(TASK)]

    assert len(updates) == len(EVERY)
    assert api.renewals == 1


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "not_found", exceptions.NotFoundError),
        (403, "forbidden", exceptions.PermissionDeniedError),
    ],
)
async def test_a_refused_stream_says_why(
    api: LoopbackApi,
    aclient: LeanVibeClient,
    status: int,
    code: str,
    kind: type[exceptions.LeanVibeError],
) -> None:
    api.stream_refusals.append(refusal(status, code, "No such task."))

    with pytest.raises(kind, match="No such task"):
        async for _ in aclient.tasks.stream_updates(TASK):
            pass

    assert len(api.seen) == 1


async def test_a_redirected_stream_does_not_take_the_token_along(
    api: LoopbackApi, aclient: LeanVibeClient
) -> None:
    elsewhere = api.base_url.replace("127.0.0.1", "localhost") + f"/tasks/{TASK}/updates"
    api.stream_refusals.append(refusal(307, "moved", "Elsewhere.", headers={"Location": elsewhere}))

    with pytest.raises(exceptions.LeanVibeError, match="Elsewhere"):
        async for _ in aclient.tasks.stream_updates(TASK):
            pass

    assert len(api.seen) == 1


async def test_a_busy_server_is_asked_again(
    api: LoopbackApi, aclient: LeanVibeClient, naps: Naps
) -> None:
    api.stream_refusals.append(refusal(503, "service_unavailable", "Starting."))

    updates = [update async for update in aclient.tasks.stream_updates(TASK)]

    assert len(updates) == len(EVERY)
    assert naps.seconds == [0.5]


def test_a_server_that_stays_away_is_given_up(naps: Naps) -> None:
    with (
        LeanVibeClientSync(base_url="http://127.0.0.1:9/v1", sleep=naps.sleep) as client,
        pytest.raises(exceptions.ConnectionFailedError, match=r"127\.0\.0\.1:9"),
    ):
        list(client.tasks.stream_updates(TASK))

    assert len(naps.seconds) == 10


async def test_a_reader_may_leave_early(api: LoopbackApi, aclient: LeanVibeClient) -> None:
    api.hold_stream = True
    stream = aclient.tasks.stream_updates(TASK)

    async for update in stream:
        if update.progress_percentage == 40:
            break
    await stream.aclose()

    assert len(api.seen) == 1
