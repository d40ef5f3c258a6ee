"""The letters of the identity room."""

from leanvibe_server.kernel.mail import Mail, queue_mail
from leanvibe_server.kernel.scope import Scope


async def invite(scope: Scope, *, to: str, organization: str, token: str, days: int) -> None:
    """Ask somebody to join a tenant."""
    link = f"{scope.house.settings.base_url}/invitations/{token}"
    await queue_mail(
        scope,
        Mail(
            to,
            f"Join {organization} on LeanVibe",
            f"You are invited to join {organization} on LeanVibe.\n\n"
            f"Set your password and sign in here:\n{link}\n\n"
            f"The link works once, within {days} days. If you did not expect it, ignore it.\n",
        ),
    )


async def verify(scope: Scope, *, to: str, token: str, days: int) -> None:
    """Ask the bearer of an address to confirm it."""
    link = f"{scope.house.settings.base_url}/verify-email/{token}"
    await queue_mail(
        scope,
        Mail(
            to,
            "Confirm your e-mail address",
            "Somebody, hopefully you, signed up for LeanVibe with this address.\n\n"
            f"Confirm it here:\n{link}\n\n"
            f"The link works once, within {days} days. If it was not you, ignore this mail.\n",
        ),
    )


async def already_registered(scope: Scope, *, to: str, organization: str, token: str) -> None:
    """Tell the bearer of an address that somebody tried to sign up with it again."""
    base = scope.house.settings.base_url
    await queue_mail(
        scope,
        Mail(
            to,
            "You already have an account",
            "Somebody, hopefully you, tried to sign up for LeanVibe with this address. It has "
            f"an account already, in {organization}. Nothing was changed.\n\n"
            f"Sign in here:\n{base}/login\n\n"
            f"If you do not know the password, set a new one here:\n{base}/invitations/{token}\n",
        ),
    )
