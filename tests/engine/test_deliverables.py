"""Deliverables: counts of a diff, whatever its files are called."""

from leanvibe_server.engine.deliverables import Deliverables, count_deliverables
from leanvibe_server.engine.diffs import parse_diff

NEW_ROUTES = b"""\
diff --git a/app/users.py b/app/users.py
new file mode 100644
index 0000000..1111111
--- /dev/null
+++ b/app/users.py
@@ -0,0 +1,9 @@
+@router.get("")
+def list_users():
+    return []
+@router.post(
+    "/users", status_code=201
+)
+def test_connection():
+    pass
+# @router.get("/no")
"""
EDITED_TEST = b"""\
diff --git a/tests/test_users.py b/tests/test_users.py
index 1111111..2222222 100644
--- a/tests/test_users.py
+++ b/tests/test_users.py
@@ -1,4 +1,7 @@ import pytest
-def test_old():
+def test_old(client):
+    assert client
+@client.get("/not a route")
+async def test_new():
     pass
-def helper():
-    pass
+    @mock.patch("x")
+    def test_in_a_class(self):
"""


def test_routes_and_tests_are_counted_where_they_belong() -> None:
    assert count_deliverables(NEW_ROUTES + EDITED_TEST) == Deliverables(
        files_created=1,
        files_changed=1,
        files_deleted=0,
        lines_added=15,
        lines_removed=3,
        tests_written=2,
        api_endpoints=2,
    )


def test_an_empty_diff_delivers_nothing() -> None:
    for nothing in (b"", b"\n", b"no diff at all\n"):
        assert count_deliverables(nothing).files_created == 0


def test_deleted_renamed_and_binary_files_count_as_files() -> None:
    diff = b"""\
diff --git a/old.py b/old.py
deleted file mode 100644
--- a/old.py
+++ /dev/null
@@ -1 +0,0 @@
-x = 1
diff --git a/a b/c.py b/a b/d.py
similarity index 100%
rename from a b/c.py
rename to a b/d.py
diff --git a/logo.png b/logo.png
new file mode 100644
index 0000000..1111111
GIT binary patch
literal 5
McmZ>Y&P>il01%b|Hvj+t

literal 0
HcmV?d00001

"""
    counted = count_deliverables(diff)
    assert (counted.files_created, counted.files_changed, counted.files_deleted) == (1, 1, 1)
    assert (counted.lines_added, counted.lines_removed) == (0, 1)
    assert [one.path for one in parse_diff(diff)] == ["old.py", "a b/d.py", "logo.png"]
    assert [one.binary for one in parse_diff(diff)] == [False, False, True]


def test_odd_names_are_read_as_git_quotes_them() -> None:
    diff = (
        b'diff --git "a/caf\\303\\251 \\"x\\".py" "b/caf\\303\\251 \\"x\\".py"\n'
        b"new file mode 100644\n"
        b'--- /dev/null\n+++ "b/caf\\303\\251 \\"x\\".py"\n@@ -0,0 +1 @@\n+x = 1\n'
        b'diff --git "a/na\\377me" "b/na\\377me"\nnew file mode 100644\n'
        b"diff --git a/with space b/with space\nnew file mode 100755\n"
    )
    paths = [one.path for one in parse_diff(diff)]
    assert paths == ['café "x".py', "na\\xffme", "with space"]


def test_content_that_looks_like_a_header_is_content() -> None:
    diff = b"""\
diff --git a/notes.txt b/notes.txt
index 1..2 100644
--- a/notes.txt
+++ b/notes.txt
@@ -1,2 +1,4 @@
 diff --git a/x b/x
--- a/x
+++ b/x
+diff --git a/evil.py b/evil.py
+@@ -0,0 +1,99 @@
\\ No newline at end of file
"""
    (one,) = parse_diff(diff)
    assert one.path == "notes.txt"
    assert [line for _, line in one.added] == [
        b"++ b/x",
        b"diff --git a/evil.py b/evil.py",
        b"@@ -0,0 +1,99 @@",
    ]
    assert one.removed == (b"-- a/x",)


def test_added_lines_know_their_numbers() -> None:
    (one,) = parse_diff(EDITED_TEST)
    assert one.added_ranges == [[1, 4], [6, 7]]
