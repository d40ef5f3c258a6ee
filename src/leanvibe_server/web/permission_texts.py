"""What a permission lets somebody do, in the words of the dashboard."""

from collections.abc import Iterable

from leanvibe_server.kernel.access import Permission
from leanvibe_server.web.formats import words

_MEANINGS = {
    Permission.SELF: "Own account and sessions",
    Permission.TENANT_READ: "See the organisation and its plan",
    Permission.TENANT_UPDATE: "Change the organisation",
    Permission.TENANT_ADMIN: "Manage every organisation",
    Permission.TENANT_DELETE: "Delete the organisation",
    Permission.ORGANIZATION_MANAGE: "Add organisations below, and act for them",
    Permission.SECURITY_READ: "See how people sign in",
    Permission.SECURITY_MANAGE: "Set single sign-on, second factors and session limits",
    Permission.PRIVACY_MANAGE: "Export and erase personal data",
    Permission.USER_DELETE: "Remove people",
    Permission.ROLE_MANAGE: "Make roles of one's own",
    Permission.SCIM_MANAGE: "Provision people and groups by SCIM",
    Permission.USER_READ: "See people",
    Permission.USER_CREATE: "Invite people",
    Permission.USER_UPDATE: "Change roles, disable people",
    Permission.API_KEY_MANAGE: "Make and revoke API keys",
    Permission.PROJECT_READ: "See projects",
    Permission.PROJECT_READ_ALL: "See projects that are restricted to their members",
    Permission.PROJECT_SHARE: "Say who works on a project, and who sees it",
    Permission.PROJECT_CREATE: "Add projects",
    Permission.PROJECT_UPDATE: "Change projects",
    Permission.PROJECT_DELETE: "Delete projects",
    Permission.TASK_READ: "See tasks, live and finished",
    Permission.TASK_CREATE: "Start tasks",
    Permission.TASK_CONTROL: "Cancel and retry tasks, delete branches",
    Permission.USAGE_READ: "See usage and limits",
    Permission.AUDIT_READ: "Read the organisation's audit log",
    Permission.AUDIT_READ_ALL: "Read every audit log",
}


AREAS = (
    ("Projects and tasks", ("project", "task")),
    ("People and roles", ("user", "role", "scim")),
    ("Security and privacy", ("security", "privacy", "api_key", "audit")),
    ("Organisation", ("tenant", "organization", "usage")),
)


def by_area(permissions: Iterable[Permission]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Permissions with their meanings, under what they are about."""
    held = list(permissions)
    areas = [
        (label, [(one.value, meaning_of(one)) for one in held if one.partition(":")[0] in kinds])
        for label, kinds in AREAS
    ]
    return [(label, found) for label, found in areas if found]


def meaning_of(permission: Permission) -> str:
    """The permission in a few words."""
    return _MEANINGS.get(permission, words(permission.value))
