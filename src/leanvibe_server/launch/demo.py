"""The demo of a development installation: two tenants, their people, and a project to work on."""

import asyncio
import secrets
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

from leanvibe_server import wiring
from leanvibe_server.entitlements.plans import PLANS
from leanvibe_server.identity import service as identity
from leanvibe_server.identity.permissions import GUEST_FOR
from leanvibe_server.kernel.access import Role
from leanvibe_server.kernel.config import Settings
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.platform import PLATFORM_TENANT, Reason, across_tenants
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.launch import sample_project
from leanvibe_server.launch.demo_facts import read_facts, write_facts
from leanvibe_server.launch.errors import LaunchError
from leanvibe_server.projects import service as projects
from leanvibe_server.projects.schemas import NewProject
from leanvibe_server.tenancy import service as tenancy
from leanvibe_server.tenancy.models import Tenant

ROLES = ("owner", "admin", "manager", "developer", "viewer", "guest")
PLATFORM_ADMIN = "platform_admin@demo.leanvibe.example"
REPOSITORY = "sample-orders.git"


def seed(settings: Settings) -> None:
    """Make the demo unless it is there. Needs the migrated database."""
    asyncio.run(_seed(settings, anew=False))


def reset(settings: Settings) -> None:
    """Remove the demo's tenants with all they own, and make them anew.

    Raises: LaunchError: production has no demo.
    """
    if settings.production:
        raise LaunchError("There is no demo in production.")
    asyncio.run(_seed(settings, anew=True))


async def _seed(settings: Settings, *, anew: bool) -> None:
    house = await wiring.open_house(settings)
    try:
        async with across_tenants(house.database, Reason.DEMO) as conn:
            platform = Scope(conn, PLATFORM_TENANT, SYSTEM, house.clock, house)
            present = await tenancy.find_tenant_by_slug(platform, "acme")
            facts = read_facts(settings)
            if present is not None and facts is not None and not anew:
                write_facts(settings, facts | {"base_url": settings.base_url})
                return
            await _clear(platform)
            await _Demo(house, platform).make()
    finally:
        await house.database.close()


async def _clear(platform: Scope) -> None:
    for slug in ("acme", "globex"):
        tenant = await tenancy.find_tenant_by_slug(platform, slug)
        if tenant is not None:
            await tenancy.delete_tenant(platform, tenant.id)
            folder = projects.repositories_of(platform.house, tenant.id)
            shutil.rmtree(folder, ignore_errors=True)
    await identity.delete_user_by_email(platform, PLATFORM_ADMIN)


@dataclass
class _Demo:
    """The demo while it is made, in one transaction."""

    house: House
    platform: Scope

    async def make(self) -> None:
        """Rows first, facts on disk before the commit: either both last or the next start
        makes them again."""
        acme = await self._tenant("Acme Corporation", "acme", "enterprise")
        globex = await self._tenant("Globex", "globex", "developer")
        users = {"platform_admin": await self._platform_admin()}
        inside = await self._enter(acme)
        people = {role: await self._user(inside, f"{role}@acme.example", role) for role in ROLES}
        users |= {role: facts for role, (_, facts) in people.items()}
        key = await identity.issue_api_key(
            inside, user_id=people["developer"][0], name="Demo", environment="test"
        )
        address = make_repository(projects.repositories_of(self.house, acme.id) / REPOSITORY)
        project = await projects.create_project(
            inside,
            NewProject(
                name="Sample orders service",
                description="A small FastAPI service to try the engine on.",
                tech_stack=["Python", "FastAPI"],
                repository_url=address,
            ),
        )
        inside = await self._enter(globex)
        _, users["globex_owner"] = await self._user(inside, "owner@globex.example", "owner")
        facts = {
            "base_url": self.house.settings.base_url,
            "users": users,
            "tenants": {t.slug: {"id": str(t.id), "slug": t.slug} for t in (acme, globex)},
            "api_keys": {"acme_developer": key},
            "projects": {"acme": {"id": str(project.id), "repository_url": address}},
            "plans": {slug: {"id": str(plan.id)} for slug, plan in PLANS.items()},
        }
        write_facts(self.house.settings, facts)

    async def _tenant(self, name: str, slug: str, plan: str) -> Tenant:
        return await tenancy.create_tenant(
            replace(self.platform, tenant_id=PLATFORM_TENANT),
            organization_name=name,
            slug=slug,
            admin_email=f"owner@{slug}.example",
            plan=plan,
            trial=None,
        )

    async def _enter(self, tenant: Tenant) -> Scope:
        return replace(await tenancy.enter_tenant(self.platform, tenant.id), plan=tenant.plan)

    async def _platform_admin(self) -> dict[str, str]:
        await tenancy.ensure_platform_tenant(self.platform)
        inside = replace(
            await tenancy.enter_tenant(self.platform, PLATFORM_TENANT), plan="enterprise"
        )
        _, facts = await self._user(inside, PLATFORM_ADMIN, "platform_admin")
        return facts

    async def _user(self, inside: Scope, email: str, role: str) -> tuple[UUID, dict[str, str]]:
        password = f"demo-{role.replace('_', '-')}-{secrets.token_hex(8)}"
        user = await identity.create_user(
            inside,
            email=email,
            username=email.partition("@")[0],
            password=password,
            role=Role(role),
            verified=True,
            expires_at=inside.now + GUEST_FOR if role == Role.GUEST else None,
        )
        return user.id, {"email": email, "password": password}


def make_repository(path: Path) -> str:
    """A bare git repository that holds the sample project; returns its file:// address."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        shutil.rmtree(path)
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for name, text in sample_project.files().items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text)
        who = ["-c", "user.name=Demo", "-c", "user.email=demo@leanvibe.example"]
        _git(["init", "--quiet", "--initial-branch=main", "."], tree)
        _git(["add", "--all"], tree)
        _git([*who, "commit", "--quiet", "--message", "Take orders for a small shop"], tree)
        _git(["clone", "--quiet", "--bare", ".", str(path)], tree)
    return f"file://{quote(str(path))}"


def _git(words: list[str], folder: Path) -> None:
    """Run git on files of our own making, blind to the settings of whoever runs us."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin", "HOME": str(folder)}
    environment |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
    try:
        subprocess.run(
            ["git", *words],
            cwd=folder,
            env=environment,
            check=True,
            capture_output=True,
            timeout=60,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise LaunchError(f"The sample repository could not be made with git: {error}") from None
