"""The product on a socket and a browser before it, for every peer that needs one."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.conftest import Ground
from tests.peers.chromium import PROGRAM
from tests.web.browsing import ARGUMENTS, Server, Site, furnish


@pytest.fixture(scope="module")
def site(ground: Ground) -> Iterator[Site]:
    server = Server(ground)
    server.start()
    try:
        acme, project_id, task_id = server.do(furnish(server.house))
        yield Site(f"http://localhost:{server.port}", acme, project_id, task_id, server.do)
    finally:
        server.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=PROGRAM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context()
    yield made
    made.close()
