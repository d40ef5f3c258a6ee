"""Letters that tell somebody of a change to their account, whoever made it.

Source: OWASP ASVS 5.0, 6.3.7: people are told of changes to how they sign in.
"""

from leanvibe_server.identity.models import ApiKey, User
from leanvibe_server.kernel.mail import Mail, queue_mail
from leanvibe_server.kernel.scope import Scope


async def api_key_made(scope: Scope, user: User, key: ApiKey) -> None:
    """Tell somebody that a program can act as them from now on."""
    end = "until it is revoked" if key.expires_at is None else f"until {key.expires_at:%d %B %Y}"
    await _tell(
        scope,
        user,
        "A new API key acts as you",
        f"The API key “{key.name}” ({key.prefix[:8]}…{key.prefix[-4:]}) was made for your LeanVibe "
        f"account{_by(scope, user)}. Programs can act as you with it {end}.",
    )


async def new_device(scope: Scope, user: User, *, device: str, address: str | None) -> None:
    """Tell somebody that they, or somebody else, signed in from where they never did before."""
    await _tell(
        scope,
        user,
        "New sign-in to your account",
        "Somebody signed in to your LeanVibe account from a device that we have not seen with it "
        f"before.\n\nWhen:    {scope.now:%d %B %Y, %H:%M} UTC\nDevice:  {device}\n"
        f"Address: {address or 'unknown'}\n\nIf it was you, there is nothing to do.",
    )


async def identity_linked(scope: Scope, user: User, *, provider: str) -> None:
    """Tell somebody that an account elsewhere opens theirs from now on."""
    await _tell(
        scope,
        user,
        "An account was linked to yours",
        f"You can sign in to LeanVibe with your account at {provider} from now on.",
    )


async def identity_unlinked(scope: Scope, user: User, *, provider: str) -> None:
    """Tell somebody that an account elsewhere opens theirs no more."""
    await _tell(
        scope,
        user,
        "A linked account was removed",
        f"Your account at {provider} does not open your LeanVibe account any more"
        f"{_by(scope, user)}. The sessions it had opened were ended.",
    )


def _by(scope: Scope, user: User) -> str:
    """Who did it, where that was somebody else."""
    if scope.actor.id == user.id or scope.actor.label is None:
        return ""
    return f" by {scope.actor.label}"


async def _tell(scope: Scope, user: User, subject: str, text: str) -> None:
    await queue_mail(
        scope,
        Mail(
            user.email,
            subject,
            f"{text}\n\nIf you do not know of this, change your password, look at your sessions "
            "and linked accounts, and tell your administrator:\n"
            f"{scope.house.settings.base_url}/account\n",
        ),
    )
