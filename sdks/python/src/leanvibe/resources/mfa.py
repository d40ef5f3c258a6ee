"""Second factors: one's own, those a sign-in waits for, and passkeys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from leanvibe._faces import Resource, Runner, endpoint
from leanvibe._operations import Call, Operation, given, path_of, reads, reads_nothing
from leanvibe.models import (
    BackupCodes,
    Factor,
    FactorList,
    Login,
    MfaChallenge,
    MfaReset,
    MfaSetup,
    MfaVerified,
    PasskeyOptions,
)
from leanvibe.resources.auth import Opening


class Mfa(Resource[Runner]):
    """Second factors."""

    @endpoint
    def list(self) -> Call[FactorList]:
        """One's factors, how many backup codes are left, and what the organisation asks for."""
        return Call(method="GET", path="/auth/mfa", read=reads(FactorList))

    @endpoint
    def setup(
        self,
        method: str = "totp",
        *,
        phone: str | None = None,
        name: str | None = None,
        mfa_token: str | None = None,
    ) -> Call[MfaSetup]:
        """Begin to set up `totp`, `sms`, `email` or `webauthn`. Secret and codes are shown once.

        Raises:
            PermissionDeniedError: the last proof of identity is too old (`auth.step_up`), or the
                organisation does not allow the method.
        """
        body = given(method=method, phone=phone, name=name, mfa_token=mfa_token)
        return Call(method="POST", path="/auth/mfa/setup", read=reads(MfaSetup), body=body)

    @endpoint
    def verify(
        self,
        code: str | None = None,
        *,
        method: str = "totp",
        credential: Mapping[str, Any] | None = None,
    ) -> Call[MfaVerified]:
        """Confirm a factor with its first code, or with a key's answer. It counts from now on.

        Raises:
            AuthenticationError: the code is wrong.
        """
        body = given(code=code, method=method, credential=credential)
        return Call(method="POST", path="/auth/mfa/verify", read=reads(MfaVerified), body=body)

    @endpoint
    def enrol(
        self, code: str | None = None, *, mfa_token: str, method: str = "totp",
        credential: Mapping[str, Any] | None = None,
    ) -> Operation[Login]:  # fmt: skip
        """As `verify`, for a sign-in that waits until a factor is set up: it is complete then.

        The client uses the session from now on.
        """
        body = given(code=code, method=method, credential=credential, mfa_token=mfa_token)
        return Opening(
            Call(
                method="POST", path="/auth/mfa/verify", read=reads(Login), body=body,
                anonymous=True,
            )
        )  # fmt: skip

    @endpoint
    def ask(self, mfa_token: str, method: str) -> Call[MfaChallenge]:
        """Have a code sent (`sms`, `email`), or ask what a key is to sign (`webauthn`)."""
        return Call(
            method="POST",
            path="/auth/mfa/challenge",
            read=reads(MfaChallenge),
            body={"mfa_token": mfa_token, "method": method},
            anonymous=True,
        )

    @endpoint
    def complete(
        self,
        mfa_token: str,
        code: str | None = None,
        *,
        method: str | None = None,
        credential: Mapping[str, Any] | None = None,
    ) -> Operation[Login]:
        """Complete a sign-in that raised `MfaRequiredError`, whose `mfa_token` this is.

        The client uses the session from now on.

        Raises:
            AuthenticationError: the code is wrong, or the sign-in is over.
        """
        body = given(mfa_token=mfa_token, code=code, method=method, credential=credential)
        return Opening(
            Call(
                method="POST", path="/auth/mfa/challenge", read=reads(Login), body=body,
                anonymous=True,
            )
        )  # fmt: skip

    @endpoint
    def ask_to_step_up(self, method: str) -> Call[MfaChallenge]:
        """As `ask`, for `auth.step_up` in the session that is open."""
        return Call(
            method="POST",
            path="/auth/mfa/step-up",
            read=reads(MfaChallenge),
            body={"method": method},
        )

    @endpoint
    def rename(self, factor_id: str | UUID, name: str) -> Call[Factor]:
        """Give one of one's keys or apps another name."""
        return Call(
            method="PATCH",
            path=path_of("auth", "mfa", factor_id),
            read=reads(Factor),
            body={"name": name},
        )

    @endpoint
    def remove(self, factor_id: str | UUID) -> Call[None]:
        """Remove one of one's factors."""
        return Call(method="DELETE", path=path_of("auth", "mfa", factor_id), read=reads_nothing)

    @endpoint
    def new_backup_codes(self) -> Call[BackupCodes]:
        """Make eight backup codes; the earlier ones are void."""
        return Call(method="POST", path="/auth/mfa/backup-codes", read=reads(BackupCodes))

    @endpoint
    def reset(self, user_id: str | UUID) -> Call[MfaReset]:
        """Remove every factor of a person who lost theirs, and sign them out."""
        return Call(
            method="POST", path=path_of("users", user_id, "mfa", "reset"), read=reads(MfaReset)
        )

    @endpoint
    def passkey_options(self) -> Call[PasskeyOptions]:
        """What a passkey is to sign, to sign in with it alone."""
        return Call(
            method="POST",
            path="/auth/passkeys/options",
            read=reads(PasskeyOptions),
            anonymous=True,
        )

    @endpoint
    def passkey_login(self, passkey_token: str, credential: Mapping[str, Any]) -> Operation[Login]:
        """Sign in with a passkey. The client uses the session from now on."""
        return Opening(
            Call(
                method="POST",
                path="/auth/passkeys/login",
                read=reads(Login),
                body={"passkey_token": passkey_token, "credential": credential},
                anonymous=True,
            )
        )
