"""Short news on the next page. The cookie names the news, so nobody can plant a text in it."""

TOAST_COOKIE = "lv_toast"

TOASTS = {
    "signed-in": "You are signed in.",
    "signed-out": "You are signed out.",
    "password-changed": "Your password is changed; your other devices are signed out.",
    "link-sent": "A link is on its way to your address.",
    "email-changed": "Your address is changed. Sign in with it.",
    "session-ended": "The device is signed out.",
    "sessions-ended": "Every other device is signed out.",
    "security-saved": "The security policy is saved, and holds from now on.",
    "saml-provider-added": "The identity provider is added. Its button is on the sign-in page.",
    "saml-provider-changed": "The identity provider is changed.",
    "saml-provider-removed": "The identity provider is removed, and its sessions have ended.",
    "saml-key-prepared": "The next certificate is in the metadata.",
    "saml-key-activated": "The new certificate is in use.",
    "saml-key-withdrawn": "The next certificate is withdrawn.",
    "password-set": "Your password is set. You can sign in now.",
    "email-verified": "Your e-mail address is verified.",
    "project-created": "The project is added.",
    "project-saved": "The project is saved.",
    "member-saved": "The member is saved.",
    "member-removed": "The member is removed.",
    "role-saved": "The role is saved.",
    "role-deleted": "The role is deleted.",
    "organisation-created": "The organisation is added. Its owner gets an invitation.",
    "organisation-entered": "You act for another organisation now.",
    "organisation-left": "You are back in your own organisation.",
    "organisation-asks-second-factor": (
        "That organisation asks for a second factor. Set one up, sign in with it, and try again."
    ),
    "organisation-asks-provider": (
        "That organisation lets people in through an identity provider only. Sign in through "
        "your own, and try again."
    ),
    "organisation-asks-new-session": (
        "That organisation asks for shorter sessions. Sign in anew, and try again."
    ),
    "organisation-asks-address": "That organisation does not allow your network address.",
    "organisation-lost": "You may not act for that organisation any more.",
    "project-deleted": "The project is deleted.",
    "task-created": "The task is queued.",
    "task-cancelled": "The task is being cancelled.",
    "task-retried": "A new attempt is queued.",
    "branch-deleted": "The branch is deleted.",
    "account-saved": "The service account is saved.",
    "account-deleted": "The service account is deleted.",
    "client-revoked": "The client is revoked.",
    "group-saved": "The group is saved.",
    "group-deleted": "The group is deleted.",
    "token-revoked": "The token is revoked.",
    "key-revoked": "The API key is revoked.",
    "user-invited": "The invitation is on its way.",
    "user-signed-out": "They are signed out.",
    "users-invited": "The invitations are on their way.",
    "invitation-withdrawn": "The invitation is withdrawn.",
    "user-deleted": "The person is removed.",
    "user-saved": "The change is saved.",
    "tenant-created": "The organisation is made, and its owner invited.",
    "tenant-suspended": "The organisation is suspended.",
    "tenant-reactivated": "The organisation is active again.",
    "tenant-deleting": "The organisation will be deleted. Its owners get a mail.",
    "tenant-restored": "The deletion is taken back.",
    "tenant-saved": "The change is saved.",
    "tenant-switched": "You are in another organisation now.",
    "account-linked": "The account is linked. You can sign in by it.",
    "account-unlinked": "The account is linked no more.",
    "provider-added": "The identity provider is added.",
    "provider-saved": "The identity provider is saved.",
    "provider-enabled": "People may sign in by the provider.",
    "provider-disabled": "Nobody signs in by the provider any more.",
    "provider-deleted": "The identity provider is deleted.",
    "domain-added": "The domain is added. Now add its record.",
    "domain-verified": "The domain is proved to be yours.",
    "domain-deleted": "The domain is deleted.",
    "export-requested": "The export is being written. It shows here when it is ready.",
    "person-erased": "The person is erased. The certificate is below.",
    "retention-saved": "The periods are saved. The next sweep keeps to them.",
    "key-rotated": "New secrets are sealed with a new key; the old ones follow.",
    "factor-added": "Your second factor counts from now on.",
    "factor-removed": "The second factor is removed.",
    "factors-reset": "The second factors are reset, and the person is signed out.",
    "theme-saved": "The appearance is changed.",
}


def toast_text(name: str | None) -> str | None:
    """The text behind a name; None for no name and for names that are not ours."""
    return None if name is None else TOASTS.get(name)
