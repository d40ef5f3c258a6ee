"""Sessions: opening, renewing, moving and closing them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from leanvibe import exceptions as errors
from leanvibe._core import Core
from leanvibe._faces import Resource, Runner, endpoint
from leanvibe._operations import Call, Operation, Steps, given, path_of, reads, reads_nothing
from leanvibe.models import AccessToken, Identity, Login, SessionList, User

Opened = TypeVar("Opened", Login, AccessToken)


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
        iss: str | None = None,
        device_token: str | None = None,
    ) -> Operation[Login]:
        """Open a session. The client uses and renews it from now on, before any API key.

        Keep the answer's `device_token` and give it next time: then others who fail to sign in
        as this person do not make this device wait.

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
            iss=iss,
            device_token=device_token,
        )
        # No idempotency key: an answer that bears tokens is never stored, and a second
        # session after a lost answer does no harm.
        return Opening(
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
        return _Closing(
            Call(method="POST", path="/auth/logout", read=reads_nothing, repeatable=True)
        )

    @endpoint
    def me(self) -> Call[Identity]:
        """Who the client's credentials speak for."""
        return Call(method="GET", path="/auth/me", read=reads(Identity))

    @endpoint
    def update_me(self, *, username: str | None = None) -> Call[Identity]:
        """Change one's own name.

        Raises:
            ConflictError: the organisation's directory keeps it.
        """
        body = given(username=username)
        return Call(method="PATCH", path="/auth/me", read=reads(Identity), body=body)

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

    @endpoint
    def step_up(
        self,
        *,
        password: str | None = None,
        mfa_code: str | None = None,
        mfa_method: str | None = None,
        credential: Mapping[str, Any] | None = None,
    ) -> Operation[Login]:
        """Prove once more who one is, which sensitive changes ask for every ten minutes.

        The session goes on under new tokens, which the client uses from now on.

        Raises:
            PermissionDeniedError: the password or code is wrong.
        """
        return Opening(
            Call(
                method="POST",
                path="/auth/step-up",
                read=reads(Login),
                body=given(
                    password=password,
                    mfa_code=mfa_code,
                    mfa_method=mfa_method,
                    credential=credential,
                ),
                repeatable=True,
            )
        )

    @endpoint
    def change_password(self, *, current_password: str, new_password: str) -> Call[None]:
        """Change one's password. One's other sessions end."""
        body = {"current_password": current_password, "new_password": new_password}
        return Call(method="POST", path="/auth/password/change", read=reads_nothing, body=body)

    @endpoint
    def forgot_password(self, *, email: str, tenant_id: str | UUID | None = None) -> Call[None]:
        """Have a link to set a new password mailed, if there is such an account."""
        return Call(
            method="POST",
            path="/auth/password/forgot",
            read=reads_nothing,
            body=given(email=email, tenant_id=tenant_id),
            anonymous=True,
        )

    @endpoint
    def reset_password(self, *, token: str, password: str) -> Call[None]:
        """Set a new password with the token of the mailed link. All sessions end."""
        return Call(
            method="POST",
            path="/auth/password/reset",
            read=reads_nothing,
            body={"token": token, "password": password},
            anonymous=True,
        )

    @endpoint
    def change_email(self, *, new_email: str) -> Call[None]:
        """Ask for another address; it counts once the link that is mailed there was followed."""
        return Call(
            method="POST",
            path="/auth/email/change",
            read=reads_nothing,
            body={"new_email": new_email},
        )

    @endpoint
    def confirm_email(self, *, token: str) -> Call[None]:
        """Use the new address from now on, with the token of the link that was mailed there."""
        return Call(
            method="POST",
            path="/auth/email/confirm",
            read=reads_nothing,
            body={"token": token},
            anonymous=True,
        )

    @endpoint
    def accept_invitation(
        self, *, token: str, password: str, username: str | None = None
    ) -> Call[User]:
        """Accept an invitation with the token of the mailed link, by setting a password.

        Sign in with it afterwards.
        """
        return Call(
            method="POST",
            path="/auth/invitations/accept",
            read=reads(User),
            body=given(token=token, password=password, username=username),
            anonymous=True,
        )

    @endpoint
    def verify_email(self, *, token: str) -> Call[None]:
        """Confirm one's address with the token of the mailed link."""
        return Call(
            method="POST",
            path="/auth/verify-email",
            read=reads_nothing,
            body={"token": token},
            anonymous=True,
        )

    @endpoint
    def resend_verification(self) -> Call[None]:
        """Have the link that confirms one's address mailed again."""
        return Call(method="POST", path="/auth/verify-email/resend", read=reads_nothing)

    @endpoint
    def sessions(self) -> Call[SessionList]:
        """Where one is signed in."""
        return Call(method="GET", path="/auth/sessions", read=reads(SessionList))

    @endpoint
    def end_session(self, session_id: str | UUID) -> Call[None]:
        """Sign one of one's devices out."""
        path = path_of("auth", "sessions", session_id)
        return Call(method="DELETE", path=path, read=reads_nothing)

    @endpoint
    def logout_everywhere(self, *, keep_current: bool = False) -> Operation[None]:
        """End all of one's sessions, with `keep_current` all but this client's."""
        call = Call(
            method="POST",
            path="/auth/logout-all",
            read=reads_nothing,
            body={"keep_current": keep_current},
            repeatable=True,
        )
        return call if keep_current else _Closing(call)


@dataclass(frozen=True)
class Opening(Generic[Opened]):
    """A call that opens a session, which the client uses from then on."""

    call: Call[Opened]

    def steps(self, core: Core) -> Steps[Opened]:
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
    call: Call[None]

    def steps(self, core: Core) -> Steps[None]:
        if core.tokens.load() is None:
            return
        try:
            yield from core.converse(self.call)
        except errors.AuthenticationError:
            # The session was over already.
            return
        finally:
            core.tokens.save(None)
