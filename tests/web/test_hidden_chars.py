"""Characters that cannot be seen are shown by their numbers, wherever foreign text is drawn."""

import asyncpg

from leanvibe_server.engine import service as engine
from leanvibe_server.engine.schemas import NewTask
from leanvibe_server.kernel.scope import SYSTEM, Scope
from leanvibe_server.projects import service as projects
from leanvibe_server.projects.schemas import NewProject
from leanvibe_server.web.diff_view import view_diff
from leanvibe_server.web.formats import breakable
from leanvibe_server.web.hidden_chars import has_hidden, spelled, visible
from tests.given import Organisation
from tests.web.conftest import EnterAs

OVERRIDE = "\u202e"


def test_a_hidden_character_becomes_a_marker_and_markup_stays_escaped() -> None:
    assert visible(f"<b>{OVERRIDE}txt") == (
        '&lt;b&gt;<span class="hidden-char" title="Hidden character: right-to-left override">'
        "U+202E</span>txt"
    )
    assert "U+0007" in visible("bell\a")
    assert spelled('a\u200b"b') == 'a[U+200B]"b'
    assert breakable(f"src/{OVERRIDE}yp.exe").count("hidden-char") == 1


def test_every_hidden_kind_is_known_and_common_text_is_not() -> None:
    for char in "\u202a\u202e\u2066\u2069\u200b\u200f\ufeff\x00\x08\x1b\x7f\u2060\U000e0041":
        assert has_hidden(f"a{char}b"), hex(ord(char))
    assert not has_hidden("Größe\tעברית 漢字 😀\n")


def test_a_joiner_is_text_where_a_script_or_an_emoji_is_written_with_it() -> None:
    for text in ("👩\u200d👩\u200d👧", "🏳\ufe0f\u200d🌈", "علی\u200cرضا", "क्\u200dष"):
        assert not has_hidden(text), ascii(text)
        assert spelled(text) == text
    for text in ("ad\u200dmin", "a\u200c", "\u200d😀", "😀\u200d", "😀\u200da", "علی\u200ca"):
        assert has_hidden(text), ascii(text)


def test_a_diff_says_which_file_holds_hidden_characters() -> None:
    head = "diff --git a/{0} b/{0}\nnew file mode 100644\n--- /dev/null\n+++ b/{0}\n@@ -0,0 +1 @@\n"
    far = " " * 3000 + OVERRIDE
    raw = (
        head.format("plain.py") + "+one\r\n"
        + head.format("tricky.py") + f"+admin = 1 # {OVERRIDE}\n"
        + head.format("far.py") + f"+{far}\n"
    ).encode()  # fmt: skip
    assert [(file.path, file.hidden) for file in view_diff(raw)] == [
        ("plain.py", False),
        ("tricky.py", True),
        ("far.py", True),
    ]


async def test_no_page_draws_a_name_with_its_hidden_characters(
    enter_as: EnterAs, acme: Organisation, admin: asyncpg.Connection
) -> None:
    house, name = acme.house, f"Shop {OVERRIDE}exe"
    async with house.database.tenant(acme.id) as conn:
        scope = Scope(conn, acme.id, SYSTEM, house.clock, house, plan=acme.tenant.plan)
        project = await projects.create_project(scope, NewProject(name=name))
        task = await engine.submit_task(
            scope, NewTask(title=name, description=name, project_id=project.id)
        )
    # Forms and the API clean names; those kept from elsewhere are drawn no less carefully.
    await admin.execute("UPDATE projects SET name = $1 WHERE id = $2", name, project.id)
    await admin.execute("UPDATE tasks SET title = $1 WHERE id = $2", name, task.id)
    visitor = await enter_as(acme, "owner")
    for path in (
        "/projects",
        "/tasks",
        "/tasks/new",
        f"/projects/{project.id}",
        f"/tasks/{task.id}",
        f"/tasks/{task.id}/files",
    ):
        await visitor.open(path)
        assert OVERRIDE not in visitor.page, path
        assert "U+202E" in visitor.page, path
