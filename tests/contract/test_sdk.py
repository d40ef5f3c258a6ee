"""The Python SDK against the whole application: every method, every field its types promise."""

from collections.abc import AsyncIterator
from typing import Any, get_type_hints

import httpx
import pytest

from leanvibe import LeanVibeClient, exceptions
from leanvibe.models import Record
from leanvibe_server.wiring import Doors
from tests.given import Organisation

BASE_URL = "http://localhost:8765/v1"


def missing(record: Record) -> set[str]:
    """The fields the type promises and the answer lacks, at every depth."""
    promised = {name for name in get_type_hints(type(record)) if not name.startswith("_")}
    lacking = {f"{type(record).__name__}.{name}" for name in promised - record.keys()}
    for value in record.values():
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, Record):
                lacking |= missing(inner)
    return lacking


@pytest.fixture
async def sdk(doors: Doors, acme: Organisation) -> AsyncIterator[LeanVibeClient]:
    """A client in the session of acme's owner."""
    owner = acme.people["owner"]
    transport = httpx.ASGITransport(app=doors.app, raise_app_exceptions=False)
    async with LeanVibeClient(base_url=BASE_URL, transport=transport) as client:
        login = await client.auth.login(email=owner.email, password=owner.password)
        assert not missing(login)
        yield client


async def test_a_session_is_renewed_and_closed(sdk: LeanVibeClient) -> None:
    before = sdk._runner.core.tokens.load()

    await sdk.auth.refresh()
    me = await sdk.auth.me()
    after = sdk._runner.core.tokens.load()
    await sdk.auth.logout()

    assert not missing(me)
    assert before is not None
    assert after is not None
    assert before.access_token != after.access_token
    with pytest.raises(exceptions.AuthenticationError):
        await sdk.auth.me()


async def test_people_are_added_and_listed(sdk: LeanVibeClient, acme: Organisation) -> None:
    added = await sdk.users.create(
        email=f"new@{acme.id}.example", password="a long enough pass phrase", role="developer"
    )
    everyone = [user async for user in sdk.users.iterate(limit=2)]

    assert not missing(added)
    assert added.email in [user.email for user in everyone]
    assert len(everyone) == len(acme.people) + 1


async def test_a_key_works_until_it_is_revoked(sdk: LeanVibeClient, doors: Doors) -> None:
    key = await sdk.api_keys.create(name="CI", scopes=["project:read"])
    transport = httpx.ASGITransport(app=doors.app, raise_app_exceptions=False)
    async with LeanVibeClient(api_key=key.key, base_url=BASE_URL, transport=transport) as program:
        assert (await program.projects.list()).data == []
        with pytest.raises(exceptions.PermissionDeniedError):
            await program.projects.create(name="Not allowed")
        await sdk.api_keys.revoke(key.id)
        with pytest.raises(exceptions.AuthenticationError):
            await program.projects.list()

    assert not missing(key)
    assert [listed.id for listed in await sdk.api_keys.list()] == [key.id]


async def test_the_tenant_knows_its_limits_and_its_use(
    sdk: LeanVibeClient, acme: Organisation
) -> None:
    info = await sdk.tenants.info()
    usage = await sdk.tenants.usage()
    check = await sdk.tenants.quota_check("api_calls", amount=100)

    assert info.id == usage.tenant_id == str(acme.id)
    assert check.requested_amount == 100
    assert check.available
    assert not missing(info) | missing(usage) | missing(check)


async def test_a_project_lives_from_creation_to_deletion(sdk: LeanVibeClient) -> None:
    made = await sdk.projects.create(
        name="Shop", repository_url="https://git.example.com/acme/shop", tech_stack=["Python"]
    )
    changed = await sdk.projects.update(
        made.id, ai_assistance_level="assisted", quality_gates={"min_test_coverage": 80}
    )
    found = await sdk.projects.get(made.id)
    listed = [project.id async for project in sdk.projects.iterate()]
    await sdk.projects.delete(made.id)

    assert not missing(made)
    assert changed.configuration.quality_gates.min_test_coverage == 80
    assert found == changed
    assert made.id in listed
    with pytest.raises(exceptions.NotFoundError):
        await sdk.projects.get(made.id)


async def test_a_task_lives_from_creation_to_its_retry(sdk: LeanVibeClient) -> None:
    project = await sdk.projects.create(
        name="Shop", repository_url="https://git.example.com/acme/shop"
    )
    made = await sdk.tasks.create(
        title="Fix the lint findings", project_id=project.id, jira_key="ACME-7", requestor="kim"
    )
    status = await sdk.tasks.status(made.id)
    batch = await sdk.tasks.batch([made.id])
    listed = [task.id async for task in sdk.tasks.iterate(status="pending", project_id=project.id)]
    cancelled = await sdk.tasks.cancel(made.id)
    waited = await sdk.tasks.wait(made.id, timeout_s=5)
    again = await sdk.tasks.retry(made.id)

    assert made.extra == {"jira_key": "ACME-7", "requestor": "kim"}
    assert [task.id for task in batch.data] == [made.id] == listed
    assert cancelled.status == waited.status == "cancelled"
    assert (again.status, again.run) == ("queued", 2)
    assert not missing(made) | missing(status) | missing(batch) | missing(cancelled)
    with pytest.raises(exceptions.LeanVibeError) as refused:
        await sdk.tasks.diff(made.id)
    assert refused.value.request_id


async def test_a_repeated_creation_makes_one_task(sdk: LeanVibeClient) -> None:
    async def create() -> Any:
        return await sdk.tasks.create(title="Once", idempotency_key="the-same")

    first, second = await create(), await create()

    assert first.id == second.id
    with pytest.raises(exceptions.ConflictError):
        await sdk.tasks.create(title="Another", idempotency_key="the-same")


async def test_the_log_tells_who_did_what(sdk: LeanVibeClient, acme: Organisation) -> None:
    await sdk.projects.create(name="Shop", repository_url="https://git.example.com/acme/shop")

    everything = [entry async for entry in sdk.audit.iterate(limit=2)]
    logins = await sdk.audit.list(area="auth", event_type="user.login")

    assert "project.created" in [entry.event_type for entry in everything]
    assert not missing(everything[0])
    assert logins[0].actor.label == acme.people["owner"].email


async def test_a_wrong_field_is_named(sdk: LeanVibeClient) -> None:
    with pytest.raises(exceptions.InvalidRequestError) as refused:
        await sdk.tasks.create(title="", priority="whenever")

    named = " ".join(refused.value.details["validation_errors"])
    assert "title" in named
    assert "priority" in named


async def test_another_tenant_s_project_is_not_there(
    sdk: LeanVibeClient, doors: Doors, globex: Organisation
) -> None:
    project = await sdk.projects.create(
        name="Shop", repository_url="https://git.example.com/acme/shop"
    )
    owner = globex.people["owner"]
    transport = httpx.ASGITransport(app=doors.app, raise_app_exceptions=False)
    async with LeanVibeClient(base_url=BASE_URL, transport=transport) as stranger:
        await stranger.auth.login(email=owner.email, password=owner.password)

        with pytest.raises(exceptions.NotFoundError):
            await stranger.projects.get(project.id)
