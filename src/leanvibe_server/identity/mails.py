"""The letters of the identity room."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from leanvibe_server.kernel.mail import Mail, queue_mail
from leanvibe_server.kernel.scope import Scope

# In one mail: the page shows them all.
MOST_LISTED = 20


async def invite(
    scope: Scope, *, to: str, organization: str, inviter: str | None, token: str, days: int
) -> None:
    """Ask somebody to join a tenant; `inviter` is the address of the person who did."""
    who = "You are invited" if inviter is None else f"{inviter} invites you"
    link = f"{scope.house.settings.base_url}/invitations/{token}"
    await queue_mail(
        scope,
        Mail(
            to,
            f"Join {organization} on LeanVibe",
            f"{who} to join {organization} on LeanVibe.\n\n"
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
            f"If you do not know the password, set a new one within an hour:\n"
            f"{base}/reset/{token}\n",
        ),
    )


async def reset_password(scope: Scope, *, to: str, organization: str, token: str) -> None:
    """Lead somebody who forgot their password to a new one."""
    link = f"{scope.house.settings.base_url}/reset/{token}"
    await queue_mail(
        scope,
        Mail(
            to,
            "Set a new password",
            "Somebody, hopefully you, asked for a new password for your account in "
            f"{organization} on LeanVibe.\n\nSet it here:\n{link}\n\n"
            "The link works once, within an hour. If it was not you, ignore this mail: your "
            "password stays as it is.\n",
        ),
    )


async def password_changed(scope: Scope, *, to: str) -> None:
    """Tell the owner of an account that its password is another one now."""
    await queue_mail(
        scope,
        Mail(
            to,
            "Your password was changed",
            "The password of your LeanVibe account was changed, and your other sessions were "
            f"ended.\n\nIf it was not you, set a new one at once:\n{_base(scope)}/forgot\n\n"
            "Then tell your administrator.\n",
        ),
    )


async def confirm_new_address(scope: Scope, *, to: str, token: str) -> None:
    """Ask the bearer of an address whether an account should move there."""
    await queue_mail(
        scope,
        Mail(
            to,
            "Confirm your new e-mail address",
            "Somebody, hopefully you, wants to sign in to LeanVibe with this address.\n\n"
            f"Confirm it here:\n{_base(scope)}/confirm-email/{token}\n\n"
            "The link works once, within 24 hours. If it was not you, ignore this mail.\n",
        ),
    )


async def address_taken(scope: Scope, *, to: str) -> None:
    """Tell the bearer of an address that a colleague wanted to use it."""
    await queue_mail(
        scope,
        Mail(
            to,
            "Your address is in use already",
            "Somebody in your organisation tried to change the e-mail address of their LeanVibe "
            "account to this one, which is that of your account. Nothing was changed.\n",
        ),
    )


async def address_may_change(scope: Scope, *, to: str, wanted: str) -> None:
    """Warn the bearer of the address that still holds."""
    await queue_mail(
        scope,
        Mail(
            to,
            "Your e-mail address is about to change",
            f"Your LeanVibe account is to use {wanted} instead of this address. You sign in "
            "with this address until the new one is confirmed.\n\nIf it was not you, change "
            f"your password at once and sign out everywhere:\n{_base(scope)}/account\n",
        ),
    )


async def address_changed(scope: Scope, *, to: str, now_at: str) -> None:
    """Tell the bearer of the old address that it leads in no more."""
    await queue_mail(
        scope,
        Mail(
            to,
            "Your e-mail address was changed",
            f"Your LeanVibe account uses {now_at} from now on. You cannot sign in with this "
            "address any more.\n\nIf it was not you, tell your administrator at once.\n",
        ),
    )


async def sso_bypassed(scope: Scope, *, to: str, who: str, when: datetime) -> None:
    """Tell an owner that somebody used the owners' way around single sign-on."""
    await queue_mail(
        scope,
        Mail(
            to,
            "An owner signed in without single sign-on",
            "Your organisation asks for single sign-on. Owners may sign in without it, for the "
            f"day the identity provider fails. {who} did so at {when:%Y-%m-%d %H:%M} UTC.\n\n"
            "If nobody of you knows why, end that session, change the password and look at the "
            f"audit log:\n{_base(scope)}/audit\n",
        ),
    )


def _base(scope: Scope) -> str:
    return scope.house.settings.base_url


async def access_ends(scope: Scope, *, to: str, organization: str, at: datetime) -> None:
    """Tell somebody that their access ends soon."""
    await queue_mail(
        scope,
        Mail(
            to,
            f"Your access to {organization} ends soon",
            f"Your access to {organization} on LeanVibe ends on {at:%d %B %Y, %H:%M} UTC.\n\n"
            "If you need it longer, ask an administrator of the organisation to extend it.\n",
        ),
    )


async def credentials_left(scope: Scope, *, to: str, leaver: str, left: Sequence[str]) -> None:
    """Tell an owner what somebody who left made for the organisation, and may still know."""
    listed = "\n".join(f"- {one}" for one in left[:MOST_LISTED])
    more = f"\n- and {len(left) - MOST_LISTED} more" if len(left) > MOST_LISTED else ""
    await queue_mail(
        scope,
        Mail(
            to,
            "Keys go on after somebody left",
            f"{leaver} has no access to your organisation any more, and their own keys ended. "
            "What they made for the organisation goes on, so that nothing stands still:\n\n"
            f"{listed}{more}\n\nWho makes a key sees its secret. Replace those you need, and "
            f"revoke the others:\n{_base(scope)}/settings/api-keys?orphaned=true\n"
            f"{_base(scope)}/settings/service-accounts\n{_base(scope)}/settings/scim\n",
        ),
    )


async def ownership(scope: Scope, *, to: str, organization: str, heir: str, former: str) -> None:
    """Tell both sides that an organisation has another owner."""
    await queue_mail(
        scope,
        Mail(
            to,
            f"{organization} has a new owner",
            f"{former} has handed {organization} on LeanVibe over to {heir}, who is its owner "
            "from now on.\n\nIf you did not expect this, tell your administrators at once.\n",
        ),
    )


async def provider_certificates(
    scope: Scope,
    *,
    to: str,
    provider: str,
    provider_id: UUID,
    added: Sequence[str],
    all_replaced: bool,
) -> None:
    """Tell an administrator that an identity provider signs with certificates nobody saw before."""
    left = "None of the certificates of before is left." if all_replaced else ""
    await queue_mail(
        scope,
        Mail(
            to,
            f"{provider} has a new signing certificate",
            f"The metadata of the identity provider {provider} holds new certificates, and people "
            f"sign in by them from now on. {left}\n\nSHA-256:\n"
            + "".join(f"{mark}\n" for mark in added)
            + "\nCompare them with those your provider shows. If you do not know them, turn the "
            f"provider off at once:\n{_base(scope)}/settings/sso/{provider_id}\n",
        ),
    )


async def certificate_ends(
    scope: Scope, *, to: str, what: str, at: datetime, effect: str, advice: str, path: str
) -> None:
    """Tell an administrator that something single sign-on rests on ends soon."""
    await queue_mail(
        scope,
        Mail(
            to,
            f"{what} ends on {at:%d %B %Y}",
            f"{what} ends on {at:%d %B %Y, %H:%M} UTC. {effect}\n\n"
            f"{advice}\n\n{_base(scope)}{path}\n",
        ),
    )


async def kept_out(scope: Scope, *, to: str) -> None:
    """Tell somebody that their password was given where their organisation allows nobody."""
    await queue_mail(
        scope,
        Mail(
            to,
            "A sign-in from a network that is not allowed",
            f"Somebody gave your password to LeanVibe at {scope.now:%Y-%m-%d %H:%M} UTC from the "
            f"address {scope.actor.address}, which your organisation does not allow. They were "
            "not let in, and the page did not tell them that the password is right.\n\n"
            "If it was you, use your organisation's network or VPN. If not, somebody else knows "
            f"your password: choose another one at once.\n{_base(scope)}/forgot\n",
        ),
    )
