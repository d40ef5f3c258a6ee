"""The SDK on one's account, sessions and the security policy."""

import httpx
import pytest

from leanvibe import LeanVibeClient, LeanVibeClientSync, exceptions
from leanvibe_server.wiring import Doors
from tests.contract.test_sdk import BASE_URL, missing, sdk  # noqa: F401  # a fixture
from tests.given import PASSWORD, Organisation

NEW = "seven green umbrellas sing"


async def test_a_step_up_goes_on_with_the_new_tokens(sdk: LeanVibeClient) -> None:  # noqa: F811
    before = sdk._runner.core.tokens.load()
    login = await sdk.auth.step_up(password=PASSWORD)
    after = sdk._runner.core.tokens.load()
    assert not missing(login)
    assert before is not None
    assert after is not None
    assert before.refresh_token != after.refresh_token
    assert not missing(await sdk.auth.me())
    assert (await sdk.auth.update_me(username="Ada")).username == "Ada"
    with pytest.raises(exceptions.PermissionDeniedError):
        await sdk.auth.step_up(password="not the password")


async def test_a_password_is_changed_and_sessions_are_ended(
    sdk: LeanVibeClient,  # noqa: F811
    doors: Doors,
    acme: Organisation,
) -> None:
    owner = acme.people["owner"]
    transport = httpx.ASGITransport(app=doors.app, raise_app_exceptions=False)
    async with LeanVibeClient(base_url=BASE_URL, transport=transport) as other:
        await other.auth.login(email=owner.email, password=owner.password)
        listed = await sdk.auth.sessions()
        assert not missing(listed)
        assert len(listed.data) == 2
        await sdk.auth.change_password(current_password=PASSWORD, new_password=NEW)
        assert len((await sdk.auth.sessions()).data) == 1
        await other.auth.login(email=owner.email, password=NEW)
        await sdk.auth.logout_everywhere(keep_current=True)
        assert len((await sdk.auth.sessions()).data) == 1
    await sdk.auth.forgot_password(email=owner.email)
    await sdk.auth.change_email(new_email=f"moved-{owner.email}")
    with pytest.raises(exceptions.ConflictError):
        await sdk.auth.resend_verification()
    for use in (sdk.auth.confirm_email, sdk.auth.verify_email):
        with pytest.raises(exceptions.NotFoundError):
            await use(token="unknown")
    with pytest.raises(exceptions.NotFoundError):
        await sdk.auth.reset_password(token="unknown", password=NEW)
    await sdk.auth.logout_everywhere()
    with pytest.raises(exceptions.AuthenticationError):
        await sdk.auth.me()


async def test_an_admin_ends_sessions_and_sets_the_policy(
    sdk: LeanVibeClient,  # noqa: F811
    doors: Doors,
    acme: Organisation,
) -> None:
    viewer = acme.people["viewer"]
    transport = httpx.ASGITransport(app=doors.app, raise_app_exceptions=False)
    async with LeanVibeClient(base_url=BASE_URL, transport=transport) as theirs:
        for _ in range(2):
            await theirs.auth.login(email=viewer.email, password=viewer.password)
    listed = (await sdk.users.sessions(viewer.id)).data
    await sdk.users.end_session(viewer.id, listed[0].id)
    assert len((await sdk.users.sessions(viewer.id)).data) == 1
    await sdk.users.end_sessions(viewer.id)
    assert (await sdk.users.sessions(viewer.id)).data == []
    policy = await sdk.tenants.set_security(password_min_length=15, session_idle_minutes=60)
    assert not missing(policy)
    assert (await sdk.tenants.security()).session_idle_minutes == 60
    with pytest.raises(exceptions.ConflictError):
        await sdk.tenants.set_security(allowed_networks=["203.0.113.0/24"])


def test_both_clients_have_these_methods() -> None:
    for client in (LeanVibeClient(base_url=BASE_URL), LeanVibeClientSync(base_url=BASE_URL)):
        assert callable(client.auth.step_up)
        assert callable(client.auth.update_me)
        assert callable(client.tenants.set_security)
        assert callable(client.users.end_sessions)
