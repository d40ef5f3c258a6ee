"""A running installation with Chromium before it, for tests."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from leanvibe_server import wiring
from leanvibe_server.engine import service as engine
from leanvibe_server.engine.schemas import NewTask
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.projects import service as projects
from leanvibe_server.projects.schemas import NewProject
from tests import given
from tests.conftest import Ground
from tests.given import Organisation, Person

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@dataclass(frozen=True)
class Site:
    """A running installation, and a way to do something in it beside the browser."""

    url: str
    acme: Organisation
    project_id: str
    task_id: str
    do: Callable[[Any], Any]
    ids: Mapping[str, str] = field(default_factory=dict)


class Server:
    """The application in a thread of its own, on a port that was free."""

    def __init__(self, ground: Ground) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._settings = replace(ground.settings, port=self.port)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.house: House
        self._loop: asyncio.AbstractEventLoop
        self._server: uvicorn.Server

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.house = await wiring.open_house(self._settings)
        doors = await wiring.build_app(self.house)
        config = uvicorn.Config(doors.app, lifespan="off", log_config=None, access_log=False)
        self._server = uvicorn.Server(config)
        async with doors.live:
            self._ready.set()
            await self._server.serve(sockets=[self._listener])
        await self.house.database.close()

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(20)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)

    def do(self, work: Any) -> Any:
        """Run a coroutine where the house lives."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)


async def furnish(house: House) -> tuple[Organisation, str, str]:
    """An organisation with a project and a task."""
    acme = await given.organisation(house, plan="enterprise", name="Acme")
    async with house.database.tenant(acme.id) as conn:
        scope = Scope(conn, acme.id, SYSTEM, house.clock, house, plan="enterprise")
        project = await projects.create_project(
            scope, NewProject(name="Online shop", tech_stack=["python", "fastapi"])
        )
        task = await engine.submit_task(
            scope, NewTask(title="Tidy up the imports", project_id=project.id)
        )
    return acme, str(project.id), str(task.id)


@contextmanager
def making(url: str, acme: Organisation) -> Iterator[Callable[..., str]]:
    """A function by which the owner makes things, and which answers with their ids."""
    owner = acme.people["owner"]
    with httpx.Client(base_url=f"{url}/v1", timeout=20) as api:

        def make(path: str, **body: Any) -> str:
            answer = api.post(path, json=body)
            assert answer.is_success, answer.text
            return str(answer.json().get("id"))

        secrets = {"email": owner.email, "password": owner.password}
        token = api.post("/auth/login", json=secrets).json()["access_token"]
        api.headers["authorization"] = f"Bearer {token}"
        yield make


def furnish_hostile(url: str, acme: Organisation, word: str) -> dict[str, str]:
    """People and what is theirs, under names that are one long word."""
    with making(url, acme) as make:
        person = {"email": f"{word[:60]}@{word[:60]}.example", "username": word[:64]}
        user_id = make("/users", **person, role="viewer", password=given.PASSWORD)
        group_id = make("/groups", name=word, description=word, role="developer")
        make(f"/groups/{group_id}/members", user_ids=[user_id])
        account_id = make("/service-accounts", name=word[:100], description=word, role="viewer")
        make(f"/service-accounts/{account_id}/clients", name=word[:100])
        make("/api-keys", name=word[:100])
        make("/privacy/holds", reason=word * 3, user_id=user_id)
        provider_id = make(
            "/auth/sso/providers",
            provider_type="google",
            provider_name=word[:100],
            client_id=word,
            client_secret="not a real secret",
        )
    ids = {"user_id": user_id, "group_id": group_id, "account_id": account_id}
    return ids | {"provider_id": provider_id}


def furnish_more(url: str, acme: Organisation) -> dict[str, str]:
    """One more thing of each kind that has a page of its own, by the names its path has."""
    with making(url, acme) as make:
        account_id = make("/service-accounts", name="Robot", description="Builds", role="viewer")
        make(f"/service-accounts/{account_id}/clients", name="CI")
        make("/users", email=f"new@{acme.tenant.slug}.example", role="viewer")
        make("/api-keys", name="Nightly")
        make("/scim/tokens", name="Directory")
        make("/auth/sso/domains", domain=f"{acme.tenant.slug}.example")
        make("/privacy/exports")
        return {
            "account_id": account_id,
            "group_id": make("/groups", name="Engineers", role="developer"),
            "provider_id": make(
                "/auth/sso/providers",
                provider_type="google",
                provider_name="Google",
                client_id="x.apps.googleusercontent.com",
                client_secret="not a real secret",
            ),
            "tenant_id": make(
                "/tenants",
                organization_name="Labs",
                slug=f"{acme.tenant.slug}-labs",
                admin_email=f"labs@{acme.tenant.slug}.example",
                parent_tenant_id=str(acme.id),
            ),
            "role_id": make("/roles", name="reviewer", permissions=["task:read"]),
            "user_id": str(acme.people["viewer"].id),
        }


def open_context(browser: Browser, *, size: dict[str, int], scheme: str) -> BrowserContext:
    """A browser of that size and appearance, with no cookies yet."""
    return browser.new_context(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]  # two literals


def watched(context: BrowserContext) -> tuple[Page, list[str]]:
    """A page, and what its console complains of."""
    complaints: list[str] = []
    page = context.new_page()
    page.on(
        "console",
        lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page, complaints


def sign_in(page: Page, site: Site, person: Person) -> None:
    """Sign in by password."""
    page.goto(f"{site.url}/login")
    page.fill("#email", person.email)
    page.fill("#password", person.password)
    page.click("main button.primary")
    page.wait_for_url(f"{site.url}/")


def check(page: Page, where: str, *, only: str | None = None) -> None:
    """No finding of axe, or of one of its rules, and nothing wider than the screen."""
    options = {"runOnly": {"type": "rule", "values": [only]}} if only else None
    findings = [
        f"{finding['id']}: {[node['target'] for node in finding['nodes'][:3]]}"
        for finding in Axe().run(page, options=options).response["violations"]
    ]
    assert findings == [], where
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"], f"{where} is {width} wide"  # type: ignore[index]  # always set here


# Text that reaches beyond its card, other than in a box of its own that scrolls.
SPILLED = """() => {
    const apart = ".scroll, .log, .unseen, svg, details:not([open]) > :not(summary)";
    const box = (one) => one.getBoundingClientRect();
    const beyond = (one, card) =>
        box(one).right > box(card).right + 1 || box(one).left < box(card).left - 1;
    return [...document.querySelectorAll(".card *")]
        .filter((one) => !one.closest(apart) && box(one).width > 0)
        .filter((one) => beyond(one, one.closest(".card")))
        .map((one) => `${one.tagName}.${one.className}: ${one.textContent.slice(0, 20)}`);
}"""
