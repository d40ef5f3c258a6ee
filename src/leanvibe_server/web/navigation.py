"""The way through the dashboard: what a role sees in the menu."""

from collections.abc import Set
from dataclasses import dataclass

from leanvibe_server.kernel.access import Permission


@dataclass(frozen=True)
class Entry:
    """One line of the menu. `beside` are pages of it that lie elsewhere."""

    label: str
    path: str
    icon: str
    permission: Permission
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """Some lines of the menu under a heading."""

    label: str
    entries: tuple[Entry, ...]


MENU = (
    Group(
        "Work",
        (
            Entry("Overview", "/", "overview", Permission.SELF),
            Entry("Projects", "/projects", "project", Permission.PROJECT_READ),
            Entry("Tasks", "/tasks", "task", Permission.TASK_READ),
        ),
    ),
    Group(
        "Organisation",
        (
            Entry("Plan and usage", "/settings/tenant", "usage", Permission.TENANT_READ),
            Entry(
                "Organisations", "/organizations", "organisation", Permission.ORGANIZATION_MANAGE
            ),
            Entry("Privacy", "/settings/privacy", "person", Permission.PRIVACY_MANAGE),
            Entry("Audit log", "/audit", "audit", Permission.AUDIT_READ),
        ),
    ),
    Group(
        "People and programs",
        (
            Entry("People", "/settings/users", "people", Permission.USER_READ),
            Entry("Groups", "/settings/groups", "people", Permission.USER_UPDATE),
            Entry("Roles", "/settings/roles", "roles", Permission.SELF),
            Entry("API keys", "/settings/api-keys", "key", Permission.API_KEY_MANAGE),
            Entry(
                "Service accounts", "/settings/service-accounts", "task", Permission.API_KEY_MANAGE
            ),
        ),
    ),
    Group(
        "Sign-in",
        (
            Entry("Security", "/settings/security", "lock", Permission.SECURITY_READ),
            Entry(
                "Single sign-on",
                "/settings/sso",
                "switch",
                Permission.SECURITY_READ,
                beside=("/settings/saml",),
            ),
            Entry("Provisioning", "/settings/scim", "retry", Permission.SCIM_MANAGE),
        ),
    ),
    Group(
        "Platform",
        (Entry("All organisations", "/platform/tenants", "organisation", Permission.TENANT_ADMIN),),
    ),
)


def menu_for(permissions: Set[str]) -> list[Group]:
    """The menu of someone with those permissions. The pages themselves refuse as well."""
    groups = [
        Group(group.label, tuple(e for e in group.entries if e.permission in permissions))
        for group in MENU
    ]
    return [group for group in groups if group.entries]


def is_current(path: str, entry: Entry) -> bool:
    """Whether a page belongs to that line of the menu."""
    if path == entry.path or path in entry.beside:
        return True
    return entry.path != "/" and path.startswith(f"{entry.path}/")
