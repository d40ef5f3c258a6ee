"""The dashboard in a real browser: by keyboard, in both appearances, on a phone, live."""

import re
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Page

from leanvibe_server.engine import service as engine
from leanvibe_server.engine.schemas import NewTask
from leanvibe_server.kernel.ids import parse_id
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.projects import service as projects
from leanvibe_server.projects.schemas import NewProject
from tests.given import platform_admin
from tests.web.browsing import (
    DESKTOP,
    PHONE,
    SPILLED,
    Site,
    check,
    furnish_hostile,
    open_context,
    sign_in,
    watched,
)
from tests.web.every_page import OF_THE_PLATFORM, PAGES, SIGNED_OUT, address

# Every page takes axe a second or two: as many tests, so that none of them takes too long.
PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(
    ("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"]
)
def test_every_page_is_clean_in_both_sizes_and_appearances(
    site: Site, browser: Browser, size: dict[str, int], scheme: str, part: int
) -> None:
    context = open_context(browser, size=size, scheme=scheme)
    page, complaints = watched(context)
    for path in SIGNED_OUT[part::PARTS]:
        page.goto(site.url + address(path, {"token": "unknown"}))
        check(page, path)
    sign_in(page, site, site.acme.people["owner"])
    other = "light" if scheme == "dark" else "dark"
    for path in PAGES[part::PARTS]:
        page.goto(site.url + address(path, site.ids))
        check(page, f"{path} {scheme}")
        # Only colours differ between the appearances.
        page.emulate_media(color_scheme=other)  # type: ignore[arg-type]  # one of two literals
        check(page, f"{path} {other}", only="color-contrast")
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of two literals
    assert [one for one in complaints if not _TOLD.search(one)] == []
    context.close()


def test_the_pages_of_the_platform_are_clean(site: Site, browser: Browser) -> None:
    administrator = site.do(platform_admin(site.acme.house))
    context = open_context(browser, size=PHONE, scheme="light")
    page, complaints = watched(context)
    sign_in(page, site, administrator)
    for path in OF_THE_PLATFORM:
        page.goto(site.url + address(path, site.ids))
        check(page, path)
    assert complaints == []
    context.close()


# What Chromium writes itself where a page answers with a refusal.
_TOLD = re.compile(r"status of 40[04] ")


def test_the_way_to_a_new_task_needs_no_mouse(site: Site, browser: Browser) -> None:
    context = open_context(browser, size=DESKTOP, scheme="dark")
    page, complaints = watched(context)
    developer = site.acme.people["developer"]
    page.goto(f"{site.url}/tasks/new")
    _tab_to(page, "#email")
    page.keyboard.type(developer.email)
    _tab_to(page, "#password")
    page.keyboard.type(developer.password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.url}/tasks/new")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    _tab_to(page, "#project_id")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert page.locator("#endpoint").is_visible()
    page.keyboard.press("ArrowDown")
    assert page.locator("#endpoint").is_hidden()
    _tab_to(page, "#title")
    page.keyboard.type("Keyboards only")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tasks/*-*")
    assert page.inner_text("h1") == "Keyboards only"
    assert page.locator("[data-toasts]").inner_text(timeout=3000) is not None
    page.wait_for_selector("[data-toasts] .toast")
    assert "The task is queued." in page.inner_text("[data-toasts]")
    assert complaints == []
    context.close()


def _tab_to(page: Page, selector: str) -> None:
    for _ in range(40):
        if page.evaluate("s => document.activeElement?.matches(s)", selector):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"{selector} cannot be reached by the Tab key")


async def _cancel(site: Site) -> None:
    house = site.acme.house
    async with house.database.tenant(site.acme.id) as conn:
        scope = Scope(conn, site.acme.id, SYSTEM, house.clock, house, plan="enterprise")
        await engine.cancel_task(scope, parse_id(site.task_id))


def test_a_task_changes_before_the_readers_eyes(site: Site, browser: Browser) -> None:
    context = open_context(browser, size=PHONE, scheme="light")
    page, complaints = watched(context)
    sign_in(page, site, site.acme.people["developer"])
    page.goto(f"{site.url}/tasks/{site.task_id}")
    page.wait_for_selector("[data-live-state] >> text=/^Live$/")
    page.evaluate("window.here = true")
    site.do(_cancel(site))
    page.wait_for_selector("text=Try again")
    assert page.inner_text("[data-region=progress] .badge") == "Cancelled"
    assert "Cancelled." in page.inner_text("[data-live-log]")
    assert page.evaluate("window.here"), "the page was loaded anew"
    assert page.locator("[data-live-state]").count() == 0
    check(page, "a finished task")
    assert complaints == []
    context.close()


def test_a_page_nobody_looks_at_catches_up_when_looked_at(site: Site, browser: Browser) -> None:
    context = open_context(browser, size=DESKTOP, scheme="light")
    page, complaints = watched(context)
    sign_in(page, site, site.acme.people["developer"])
    page.goto(f"{site.url}/tasks/{site.task_id}")
    page.click("text=Try again")
    page.wait_for_selector("[data-live-state] >> text=/^Live$/")
    page.evaluate(_LOOK, "hidden")
    site.do(_cancel(site))
    page.wait_for_timeout(700)
    assert page.inner_text("[data-region=progress] .badge") == "Queued"
    page.evaluate(_LOOK, "visible")
    page.wait_for_selector("text=Try again")
    assert page.inner_text("[data-region=progress] .badge") == "Cancelled"
    assert complaints == []
    context.close()


@pytest.mark.parametrize("meanwhile", ["at the end of the task", "when looked at again"])
def test_a_page_of_an_ended_session_leaves_for_the_sign_in(
    site: Site, browser: Browser, meanwhile: str
) -> None:
    context = open_context(browser, size=DESKTOP, scheme="light")
    page, _ = watched(context)
    sign_in(page, site, site.acme.people["developer"])
    page.goto(f"{site.url}/tasks/new")
    page.check("input[value=free]")
    page.fill("#title", "Watched too long")
    page.click("text=Start task")
    page.wait_for_url("**/tasks/*-*")
    page.wait_for_selector("[data-live-state] >> text=/^Live$/")
    page.evaluate(_NOTE_ANNOUNCEMENTS)
    task_id = page.url.rpartition("/")[2]
    if meanwhile == "when looked at again":
        page.evaluate(_LOOK, "hidden")
        context.clear_cookies()
        page.evaluate(_LOOK, "visible")
    else:
        context.clear_cookies()
        site.do(_cancel(replace(site, task_id=task_id)))
    page.wait_for_url(f"{site.url}/login?next=/tasks/{task_id}")
    assert page.evaluate("sessionStorage.announced") is None
    site.do(_cancel(replace(site, task_id=task_id)))
    context.close()


_NOTE_ANNOUNCEMENTS = """() => {
    const place = document.querySelector("[data-live-announcement]");
    new MutationObserver(() => { sessionStorage.announced = place.textContent; })
        .observe(place, { childList: true, characterData: true, subtree: true });
}"""


_LOOK = """state => {
    Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_menus_and_appearance_follow_the_person(site: Site, browser: Browser) -> None:
    context = open_context(browser, size=PHONE, scheme="light")
    page, complaints = watched(context)
    sign_in(page, site, site.acme.people["viewer"])
    assert page.locator("nav.nav").is_hidden()
    page.click("[data-menu-button]")
    assert page.get_attribute("[data-menu-button]", "aria-expanded") == "true"
    page.click(".account > summary")
    page.click("text=Dark appearance")
    assert page.get_attribute("html", "data-theme") == "dark"
    page.keyboard.press("Escape")
    assert page.locator(".account[open]").count() == 0
    page.reload()
    assert page.get_attribute("html", "data-theme") == "dark"
    assert complaints == []
    context.close()


# The questions before an act that reach beyond the screen once they are opened.
OFF_SCREEN = """() => [...document.querySelectorAll("main .confirm")].filter((one) => {
    one.open = true;
    const box = one.querySelector("form").getBoundingClientRect();
    const beyond = box.left < 0 || box.right > innerWidth + 1;
    one.open = false;
    return beyond;
}).map((one) => one.innerText)"""


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_question_before_an_act_is_on_the_screen(
    site: Site, browser: Browser, size: dict[str, int]
) -> None:
    context = open_context(browser, size=size, scheme="light")
    page, _ = watched(context)
    sign_in(page, site, site.acme.people["owner"])
    questions = 0
    for path in PAGES:
        page.goto(site.url + address(path, site.ids))
        questions += page.locator("main .confirm").count()
        assert page.evaluate(OFF_SCREEN) == [], path
    assert questions > 15
    context.close()


def test_a_password_is_shown_on_demand_and_hidden_again_when_it_is_sent(
    site: Site, browser: Browser
) -> None:
    context = open_context(browser, size=PHONE, scheme="light")
    page, _ = watched(context)
    page.goto(f"{site.url}/login")
    page.fill("#email", "nobody@browser.example")
    page.fill("#password", "what nobody has")
    show = page.get_by_role("button", name="Show Password")
    show.press("Enter")
    assert page.get_attribute("#password", "type") == "text"
    assert show.get_attribute("aria-pressed") == "true"
    page.evaluate("document.querySelector('#password').form.dispatchEvent(new Event('submit'))")
    assert page.get_attribute("#password", "type") == "password"
    context.close()


def test_without_scripts_everything_is_there(site: Site, browser: Browser) -> None:
    context = browser.new_context(viewport=PHONE, java_script_enabled=False)  # type: ignore[arg-type]  # a size
    page = context.new_page()
    sign_in(page, site, site.acme.people["developer"])
    assert page.locator("nav.nav >> text=Tasks").is_visible()
    page.goto(f"{site.url}/account")
    assert page.locator("[data-reveal]").count() == 2
    assert not page.locator("[data-reveal]").first.is_visible()
    page.goto(f"{site.url}/tasks/new")
    assert page.locator("#endpoint").is_visible()
    page.fill("#title", "No scripts at all")
    page.click("text=Start task")
    page.wait_for_url("**/tasks/*-*")
    assert page.locator("text=Refresh").is_visible()
    context.close()


LONG = "W" * 150


HOSTILE_DIFF = (
    f"diff --git a/{LONG}.py b/{LONG}.py\nnew file mode 100644\n--- /dev/null\n+++ b/{LONG}.py\n"
    f"@@ -0,0 +1,2 @@\n+admin = True # \u202e{LONG}\n+end\n"
).encode()


async def _add_hostile_things(site: Site) -> tuple[str, str]:
    house = site.acme.house
    async with house.database.tenant(site.acme.id) as conn:
        scope = Scope(conn, site.acme.id, SYSTEM, house.clock, house, plan="enterprise")
        project = await projects.create_project(
            scope, NewProject(name=LONG, description=LONG, tech_stack=["X" * 40])
        )
        task = await engine.submit_task(
            scope, NewTask(title=LONG, description=LONG, project_id=project.id)
        )
    return str(project.id), str(task.id)


@pytest.mark.parametrize(
    ("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"]
)
def test_long_words_stay_on_their_page_and_in_their_card(
    site: Site,
    browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
    size: dict[str, int],
    scheme: str,
) -> None:
    async def read_hostile_diff(*_: object) -> bytes:
        return HOSTILE_DIFF

    monkeypatch.setattr("leanvibe_server.web.tasks_pages._read_diff", read_hostile_diff)
    project_id, task_id = site.do(_add_hostile_things(site))
    context = open_context(browser, size=size, scheme=scheme)
    page, complaints = watched(context)
    sign_in(page, site, site.acme.people["owner"])
    page.goto(f"{site.url}/settings/users")
    page.fill("#email", f"{'w' * 60}.{scheme}@{'w' * 60}.example")
    page.click("text=Send invitation")
    page.wait_for_selector("[data-toasts] .toast")
    people = furnish_hostile(site.url, site.acme, scheme + LONG)
    ids = {**site.ids, **people, "project_id": project_id, "task_id": task_id}
    for path in PAGES:
        page.goto(site.url + address(path, ids))
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= size["width"], f"{path} is {width} wide"
        assert page.evaluate(SPILLED) == [], path
    page.goto(f"{site.url}/tasks/{task_id}")
    assert "contains hidden characters" in page.inner_text("[data-region=diff] summary")
    assert page.inner_text(".diff .hidden-char") == "U+202E"
    page.goto(f"{site.url}/dev/outbox")
    recipient = page.locator(".diff-file > summary .mono").first.bounding_box()
    assert recipient is not None
    assert recipient["width"] > 200, "the recipient is squeezed"
    assert [one for one in complaints if "404" not in one] == []
    context.close()
