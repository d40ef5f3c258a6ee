"""The letters about second factors."""

from leanvibe_server.identity.mfa.models import BACKUP_CODE, EMAIL, SMS, TOTP, WEBAUTHN
from leanvibe_server.identity.models import User
from leanvibe_server.kernel.mail import Mail, queue_mail
from leanvibe_server.kernel.scope import Scope

NAMES = {
    TOTP: "authenticator app",
    SMS: "codes by SMS",
    EMAIL: "codes by e-mail",
    WEBAUTHN: "security key or passkey",
    BACKUP_CODE: "backup code",
}


async def code(scope: Scope, user: User, digits: str, *, minutes: int) -> None:
    """The code that proves a mailbox."""
    await queue_mail(
        scope,
        Mail(
            user.email,
            "Your LeanVibe code",
            f"Your code is {digits}. It is good once, for {minutes} minutes, and only where you "
            "asked for it.\n\nNobody from LeanVibe will ever ask you for it. If you did not ask "
            f"for a code, somebody knows your password: change it at once.\n{_account(scope)}\n",
        ),
    )


async def factor_added(scope: Scope, user: User, method: str) -> None:
    await _tell(
        scope,
        user,
        "A second factor was added",
        f"You can confirm sign-ins to LeanVibe with your {NAMES[method]} from now on.",
    )


async def factor_removed(scope: Scope, user: User, method: str) -> None:
    await _tell(
        scope,
        user,
        "A second factor was removed",
        f"Sign-ins to your LeanVibe account are no longer confirmed with your {NAMES[method]}.",
    )


async def backup_codes_made(scope: Scope, user: User) -> None:
    await _tell(
        scope,
        user,
        "You have new backup codes",
        "New backup codes were made for your LeanVibe account. The earlier ones are void.",
    )


async def backup_code_used(scope: Scope, user: User, left: int) -> None:
    await _tell(
        scope,
        user,
        "A backup code was used",
        f"Somebody signed in to your LeanVibe account with a backup code. You have {left} left.",
    )


async def wrong_codes(scope: Scope, user: User, method: str) -> None:
    await _tell(
        scope,
        user,
        "Wrong codes at your sign-in",
        "Somebody who got past your password gave several wrong answers for your "
        f"{NAMES[method]}. Further tries have to wait.",
    )


async def reset_by_admin(scope: Scope, user: User) -> None:
    await _tell(
        scope,
        user,
        "Your second factors were reset",
        f"An administrator ({scope.actor.label or 'of your organisation'}) removed the second "
        "factors of your LeanVibe account and signed you out everywhere. Set up a new one at "
        "your next sign-in.",
    )


async def _tell(scope: Scope, user: User, subject: str, text: str) -> None:
    await queue_mail(
        scope,
        Mail(
            user.email,
            subject,
            f"{text}\n\nIf it was not you, change your password at once and tell your "
            f"administrator:\n{_account(scope)}\n",
        ),
    )


def _account(scope: Scope) -> str:
    return f"{scope.house.settings.base_url}/account"
