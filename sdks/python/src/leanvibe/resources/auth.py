"""Sessions: opening, renewing, moving and closing them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from leanvibe import exceptions as errors
from leanvibe._core import Core
from leanvibe._faces import Resource, Runner, endpoint
from leanvibe._operations import Call, Operation, Steps, given, reads, reads_nothing
from leanvibe.models import Identity, Login


class Auth(Resource[Runner]):
    """The client's own session."""

    @endpoint
    def login(
        self,
        *,
        email: str,
        password: str | None = None,
        provider: str = "local",
        tenant_id: str | UUID | None = None,
        mfa_code: str | None = None,
        auth_code: str | None = None,
        state: str | None = None,
        redirect_uri: str | None = None,
    ) -> Operation[Login]:
        """Open a session. The client uses and renews it from now on, before any API key.

        Raises:
            AuthenticationError: e-mail or password is wrong.
            MfaRequiredError: call again with `mfa_code`.
        """
        body = given(
            email=email,
            password=password,
            provider=provider,
            tenant_id=tenant_id,
            mfa_code=mfa_code,
            auth_code=auth_code,
            state=state,
            redirect_uri=redirect_uri,
        )
        # No idempotency key: an answer that bears tokens is never stored, and a second
        # session after a lost answer does no harm.
        return _Opening(
            Call(
                method="POST",
                path="/auth/login",
                read=reads(Login),
                body=body,
                anonymous=True,
                repeatable=True,
            )
        )

    @endpoint
    def refresh(self) -> Operation[None]:
        """Renew the session now. The client does this by itself when the token has expired."""
        return _Renewal()

    @endpoint
    def logout(self) -> Operation[None]:
        """Revoke the session and forget it; an API key stays in use."""
        return _Closing()

    @endpoint
    def me(self) -> Call[Identity]:
        """Who the client's credentials speak for."""
        return Call(method="GET", path="/auth/me", read=reads(Identity))

    @endpoint
    def switch_tenant(self, tenant_id: str | UUID) -> Operation[Login]:
        """Move the session to another of the user's tenants."""
        return _Move(
            Call(
                method="POST",
                path="/auth/switch-tenant",
                read=reads(Login),
                body={"tenant_id": tenant_id},
                repeatable=True,
            ),
            str(tenant_id),
        )


@dataclass(frozen=True)
class _Opening:
    call: Call[Login]

    def steps(self, core: Core) -> Steps[Login]:
        login = yield from core.converse(self.call)
        core.adopt(login)
        return login


@dataclass(frozen=True)
class _Move:
    call: Call[Login]
    tenant_id: str

    def steps(self, core: Core) -> Steps[Login]:
        login = yield from core.converse(self.call)
        core.adopt(login)
        if core.settings.tenant_id is not None:
            core.settings.tenant_id = self.tenant_id
        return login


@dataclass(frozen=True)
class _Renewal:
    def steps(self, core: Core) -> Steps[None]:
        held = core.tokens.load()
        if held is None or held.refresh_token is None:
            raise errors.AuthenticationError("There is no session to renew. Log in first.")
        yield from core.renew_alone(stale=held.access_token)


@dataclass(frozen=True)
class _Closing:
    def steps(self, core: Core) -> Steps[None]:
        call = Call(method="POST", path="/auth/logout", read=reads_nothing, repeatable=True)
        if core.tokens.load() is None:
            return
        try:
            yield from core.converse(call)
        except errors.AuthenticationError:
            # The session was over already.
            return
        finally:
            core.tokens.save(None)
