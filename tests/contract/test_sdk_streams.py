"""The SDK's live stream against the product's WebSocket, over a real socket."""

from collections.abc import AsyncIterator

import pytest

from leanvibe import LeanVibeClient, exceptions
from leanvibe_server.kernel.ids import new_id
from tests.conftest import FakeClock
from tests.given import Organisation


@pytest.fixture
async def sdk(address: str, acme: Organisation) -> AsyncIterator[LeanVibeClient]:
    developer = acme.people["developer"]
    async with LeanVibeClient(base_url=address) as client:
        await client.auth.login(email=developer.email, password=developer.password)
        yield client


async def test_a_stream_starts_with_the_state_and_ends_with_the_task(sdk: LeanVibeClient) -> None:
    task = await sdk.tasks.create(title="Fix the lint findings")
    told = []

    async for update in sdk.tasks.stream_updates(task.id):
        told.append(update)
        if len(told) == 1:
            await sdk.tasks.cancel(task.id)

    assert (told[0].type, told[0].status) == ("task_update", "queued")
    assert (told[-1].type, told[-1].status) == ("error", "cancelled")
    ids = [update.event_id for update in told]
    assert len(set(ids)) == len(ids)


async def test_a_finished_task_is_told_in_two_words(sdk: LeanVibeClient) -> None:
    task = await sdk.tasks.create(title="Fix the lint findings")
    await sdk.tasks.cancel(task.id)

    told = [update async for update in sdk.tasks.stream_updates(task.id)]

    assert [update.type for update in told] == ["task_update", "error"]


async def test_a_reader_who_comes_back_hears_only_what_it_missed(sdk: LeanVibeClient) -> None:
    task = await sdk.tasks.create(title="Fix the lint findings")
    stream = sdk.tasks.stream_updates(task.id)
    first = await anext(stream)
    await stream.aclose()
    await sdk.tasks.cancel(task.id)

    missed = [update async for update in sdk.tasks.stream_updates(task.id, after=first.event_id)]

    assert first.event_id not in [update.event_id for update in missed]
    assert missed[-1].status == "cancelled"


async def test_an_expired_session_is_renewed_for_the_stream(
    sdk: LeanVibeClient, clock: FakeClock
) -> None:
    task = await sdk.tasks.create(title="Fix the lint findings")
    await sdk.tasks.cancel(task.id)
    clock.advance(hours=2)

    told = [update async for update in sdk.tasks.stream_updates(task.id)]

    assert told[-1].status == "cancelled"


async def test_another_tenant_s_task_is_not_there(
    sdk: LeanVibeClient, address: str, globex: Organisation, clock: FakeClock
) -> None:
    task = await sdk.tasks.create(title="Fix the lint findings")
    owner = globex.people["owner"]
    async with LeanVibeClient(base_url=address) as stranger:
        await stranger.auth.login(email=owner.email, password=owner.password)
        refusals = []
        for task_id in (task.id, str(new_id(clock.now()))):
            with pytest.raises(exceptions.NotFoundError) as refused:
                await anext(stranger.tasks.stream_updates(task_id))
            refusals.append((refused.value.message, refused.value.code))

    assert refusals[0] == refusals[1]
