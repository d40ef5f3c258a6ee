"""Sessions: opened, renewed once for all callers, and closed."""

from __future__ import annotations

import asyncio
import threading

import pytest
from loopback import TENANT, LoopbackApi, Reply, refusal

from leanvibe import LeanVibeClient, LeanVibeClientSync, MemoryTokenStore, Tokens, exceptions


def test_a_login_outranks_the_api_key(api: LoopbackApi, client: LeanVibeClientSync) -> None:
    api.answer("POST", "/v1/auth/login", Reply(200, api.login_shape()))
    api.answer("GET", "/v1/auth/me", Reply(200, {"id": "u1"}))

    login = client.auth.login(email="dev@acme.test", password="right")
    client.auth.me()

    assert login.user.email == "dev@acme.test"
    assert "authorization" not in api.seen[0].headers
    assert api.seen[0].body == {
        "email": "dev@acme.test",
        "password": "right",
        "provider": "local",
    }
    assert api.seen[1].headers["authorization"] == "Bearer access-0"


def test_after_a_logout_the_api_key_is_used_again(
    api: LoopbackApi, client: LeanVibeClientSync
) -> None:
    api.answer("POST", "/v1/auth/login", Reply(200, api.login_shape()))
    api.answer("POST", "/v1/auth/logout", Reply(204))
    api.answer("GET", "/v1/auth/me", Reply(200, {"id": "u1"}))

    client.auth.login(email="dev@acme.test", password="right")
    client.auth.logout()
    client.auth.me()

    assert api.seen[1].headers["authorization"] == "Bearer access-0"
    assert api.seen[2].headers["authorization"] == "Bearer lv_test_key"


def test_a_login_that_needs_a_second_factor_says_which(
    api: LoopbackApi, client: LeanVibeClientSync
) -> None:
    details = {"methods": ["totp"], "mfa_token": "short-lived"}
    needed = refusal(401, "mfa_required", "A second factor is needed.", details=details)
    api.answer("POST", "/v1/auth/login", needed)

    with pytest.raises(exceptions.MfaRequiredError) as caught:
        client.auth.login(email="dev@acme.test", password="right")

    assert caught.value.methods == ["totp"]
    assert caught.value.mfa_token == "short-lived"


async def test_an_expired_token_is_renewed_and_the_call_repeated(
    api: LoopbackApi, aclient: LeanVibeClient
) -> None:
    api.check_tokens = True
    api.access_token = "access-of-someone-later"
    api.answer("GET", "/v1/auth/me", Reply(200, {"id": "u1"}))

    assert (await aclient.auth.me()).id == "u1"

    assert api.paths() == ["GET /v1/auth/me", "POST /v1/auth/refresh", "GET /v1/auth/me"]
    assert api.seen[1].headers["authorization"] == "Bearer refresh-0"
    assert "idempotency-key" not in api.seen[1].headers


async def test_many_calls_at_once_share_one_renewal(
    api: LoopbackApi, aclient: LeanVibeClient
) -> None:
    api.check_tokens = True
    api.access_token = "access-of-someone-later"
    api.renewal_takes_s = 0.1
    api.answer("GET", "/v1/auth/me", Reply(200, {"id": "u1"}))

    await asyncio.gather(*(aclient.auth.me() for _ in range(12)))

    assert api.renewals == 1


def test_many_threads_share_one_renewal(api: LoopbackApi) -> None:
    api.check_tokens = True
    api.access_token = "access-of-someone-later"
    api.renewal_takes_s = 0.1
    api.answer("GET", "/v1/auth/me", Reply(200, {"id": "u1"}))
    store = MemoryTokenStore(Tokens("access-0", "refresh-0"))
    answers: list[str] = []
    with LeanVibeClientSync(base_url=api.base_url, token_store=store) as client:
        threads = [
            threading.Thread(target=lambda: answers.append(client.auth.me().id)) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert answers == ["u1"] * 8
    assert api.renewals == 1


async def test_a_caller_cancelled_during_a_renewal_does_not_lose_the_session(
    api: LoopbackApi, aclient: LeanVibeClient
) -> None:
    api.check_tokens = True
    api.access_token = "access-of-someone-later"
    api.renewal_takes_s = 0.2
    api.answer("GET", "/v1/auth/me", Reply(200, {"id": "u1"}))

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(aclient.auth.me(), 0.1)

    assert (await aclient.auth.me()).id == "u1"
    assert api.renewals == 1


async def test_a_session_that_is_over_says_so_once(
    api: LoopbackApi, aclient: LeanVibeClient
) -> None:
    api.check_tokens = True
    api.access_token = "access-of-someone-later"
    api.refresh_token = "refresh-of-someone-later"

    with pytest.raises(exceptions.AuthenticationError, match="used before"):
        await aclient.auth.me()
    with pytest.raises(exceptions.AuthenticationError):
        await aclient.auth.me()

    renewals = [path for path in api.paths() if path.endswith("/refresh")]
    assert len(renewals) == 1


def test_a_refused_api_key_is_not_renewed(api: LoopbackApi, client: LeanVibeClientSync) -> None:
    api.check_tokens = True

    with pytest.raises(exceptions.AuthenticationError):
        client.auth.me()

    assert api.paths() == ["GET /v1/auth/me"]


def test_a_session_that_moves_takes_the_tenant_along(api: LoopbackApi) -> None:
    elsewhere = "0190a000-0000-7000-8000-000000000002"
    api.answer("POST", "/v1/auth/switch-tenant", Reply(200, api.login_shape()))
    api.answer("GET", "/v1/auth/me", Reply(200, {"id": "u1"}))
    with LeanVibeClientSync(
        access_token="access-0", base_url=api.base_url, tenant_id=TENANT
    ) as client:
        client.auth.switch_tenant(elsewhere)
        client.auth.me()

    assert api.seen[0].headers["x-tenant-id"] == TENANT
    assert api.seen[1].headers["x-tenant-id"] == elsewhere


def test_no_secret_is_shown_when_a_client_or_a_login_is_printed(api: LoopbackApi) -> None:
    api.answer("POST", "/v1/auth/login", Reply(200, api.login_shape()))
    with LeanVibeClientSync(api_key="lv_test_key", base_url=api.base_url) as client:
        login = client.auth.login(email="dev@acme.test", password="right")
        shown = f"{client!r} {client._runner.core!r} {login!r}"

    assert "lv_test_key" not in shown
    assert "access-0" not in shown
    assert "refresh-0" not in shown
    assert "dev@acme.test" in shown
