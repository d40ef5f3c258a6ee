"""The two clients: `LeanVibeClient` awaits, `LeanVibeClientSync` blocks. Their methods are one."""

from __future__ import annotations

import asyncio
import os
import random as randomness
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, Self

import httpx

from leanvibe._core import Core
from leanvibe._faces import Runner
from leanvibe._retries import RetryPolicy
from leanvibe._runners import AsyncRunner, BlockingRunner
from leanvibe._settings import Settings
from leanvibe.resources.ai import AI
from leanvibe.resources.audit import Audit
from leanvibe.resources.auth import Auth
from leanvibe.resources.billing import Billing
from leanvibe.resources.health import Health
from leanvibe.resources.machines import Groups, Scim, ServiceAccounts
from leanvibe.resources.mfa import Mfa
from leanvibe.resources.oauth import OAuth
from leanvibe.resources.people import ApiKeys, Users
from leanvibe.resources.privacy import Privacy
from leanvibe.resources.projects import Projects
from leanvibe.resources.roles import Members, Organizations, Roles
from leanvibe.resources.saml import Saml
from leanvibe.resources.sso import Sso
from leanvibe.resources.tasks import AsyncTasks, BlockingTasks
from leanvibe.resources.tenants import Tenants
from leanvibe.tokens import MemoryTokenStore, Tokens, TokenStore


class _Client(Generic[Runner]):
    """What both clients have."""

    def __init__(self, runner: Runner) -> None:
        self._runner: Runner = runner
        self.auth: Auth[Runner] = Auth(runner)
        self.mfa: Mfa[Runner] = Mfa(runner)
        self.users: Users[Runner] = Users(runner)
        self.api_keys: ApiKeys[Runner] = ApiKeys(runner)
        self.service_accounts: ServiceAccounts[Runner] = ServiceAccounts(runner)
        self.oauth: OAuth[Runner] = OAuth(runner)
        self.groups: Groups[Runner] = Groups(runner)
        self.scim: Scim[Runner] = Scim(runner)
        self.tenants: Tenants[Runner] = Tenants(runner)
        self.saml: Saml[Runner] = Saml(runner)
        self.sso: Sso[Runner] = Sso(runner)
        self.projects: Projects[Runner] = Projects(runner)
        self.roles: Roles[Runner] = Roles(runner)
        self.members: Members[Runner] = Members(runner)
        self.organizations: Organizations[Runner] = Organizations(runner)
        self.audit: Audit[Runner] = Audit(runner)
        self.privacy: Privacy[Runner] = Privacy(runner)
        self.billing: Billing[Runner] = Billing(runner)
        self.ai: AI[Runner] = AI(runner)
        self.health: Health[Runner] = Health(runner)

    @property
    def base_url(self) -> str:
        """Where the API is."""
        return self._runner.core.settings.base_url

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"


class LeanVibeClient(_Client[AsyncRunner]):
    """A client for programs that use asyncio.

    Arguments fall back on `LEANVIBE_API_KEY`, `LEANVIBE_BASE_URL` and `LEANVIBE_TENANT_ID`.
    An access token, from the argument or from `auth.login`, is used before the API key.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        access_token: str | None = None,
        refresh_token: str | None = None,
        base_url: str | None = None,
        tenant_id: str | None = None,
        timeout_s: float = 30.0,
        retry: RetryPolicy | None = None,
        token_store: TokenStore | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = randomness.random,
    ) -> None:
        settings = Settings.of(
            os.environ,
            base_url=base_url,
            api_key=api_key,
            tenant_id=tenant_id,
            timeout_s=timeout_s,
        )
        core = Core(
            settings=settings,
            tokens=token_store or _memory(access_token, refresh_token),
            retry=retry or RetryPolicy(),
            random=random,
        )
        super().__init__(AsyncRunner(core, transport=transport, sleep=sleep))
        self.tasks = AsyncTasks(self._runner)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._runner.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


class LeanVibeClientSync(_Client[BlockingRunner]):
    """A client for programs that block. Several threads may share one.

    Arguments fall back on `LEANVIBE_API_KEY`, `LEANVIBE_BASE_URL` and `LEANVIBE_TENANT_ID`.
    An access token, from the argument or from `auth.login`, is used before the API key.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        access_token: str | None = None,
        refresh_token: str | None = None,
        base_url: str | None = None,
        tenant_id: str | None = None,
        timeout_s: float = 30.0,
        retry: RetryPolicy | None = None,
        token_store: TokenStore | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], float] = randomness.random,
    ) -> None:
        settings = Settings.of(
            os.environ,
            base_url=base_url,
            api_key=api_key,
            tenant_id=tenant_id,
            timeout_s=timeout_s,
        )
        core = Core(
            settings=settings,
            tokens=token_store or _memory(access_token, refresh_token),
            retry=retry or RetryPolicy(),
            random=random,
        )
        super().__init__(BlockingRunner(core, transport=transport, sleep=sleep))
        self.tasks = BlockingTasks(self._runner)

    def close(self) -> None:
        """Close the connections."""
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _memory(access_token: str | None, refresh_token: str | None) -> MemoryTokenStore:
    if access_token is None:
        return MemoryTokenStore()
    return MemoryTokenStore(Tokens(access_token, refresh_token))
