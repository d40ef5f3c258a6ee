"""A small real HTTP server in front of `git http-backend`, with a password and with faults."""

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class GitServer:
    """Serves every bare repository below `root`. What it saw is kept for the tests."""

    root: Path
    token: str | None = None
    may_push: bool = True
    port: int = 0
    seen_in_process_list: bool = False
    requests: list[str] = field(default_factory=list)
    push_arrived: threading.Event = field(default_factory=threading.Event)
    push_may_go_on: threading.Event | None = None

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"


@contextmanager
def git_server(
    root: Path, *, token: str | None = None, may_push: bool = True
) -> Iterator[GitServer]:
    """The server, for as long as this lasts."""
    state = GitServer(root, token, may_push)

    class Handler(_Handler):
        server_state = state

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server_state: GitServer

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        state = self.server_state
        state.requests.append(self.path)
        if state.token and _runs_with(state.token):
            state.seen_in_process_list = True
        if "fault" in self.path:
            self._fault()
        elif state.token and not self._knows(state.token):
            self._say(401, b"who are you?", {"WWW-Authenticate": 'Basic realm="git"'})
        elif "receive-pack" in self.path and not state.may_push:
            self._say(403, b"no")
        else:
            self._serve(state)

    def _fault(self) -> None:
        if "moved" in self.path:
            self._say(301, b"", {"Location": "http://127.0.0.1:9/elsewhere"})
        elif "down" in self.path:
            self._say(503, b"later")
        elif "gone" in self.path:
            self._say(404, b"no such page")
        else:
            self._say(
                200,
                b"<!doctype html>\n<html>A page of the web</html>\n",
                {"Content-Type": "text/html"},
            )

    def _knows(self, token: str) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        return base64.b64decode(given).decode().partition(":")[2] == token

    def _serve(self, state: GitServer) -> None:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.command == "POST" and path.endswith("git-receive-pack"):
            state.push_arrived.set()
            if state.push_may_go_on:
                state.push_may_go_on.wait(10)
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", "http-backend"],
            input=body,
            capture_output=True,
            check=True,
            env={
                "PATH": os.environ["PATH"],
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_CONFIG_GLOBAL": "/dev/null",
                "GIT_PROJECT_ROOT": str(state.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "REMOTE_USER": "ada",
                "REMOTE_ADDR": "127.0.0.1",
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self._say(int(headers.pop("Status", "200").split()[0]), content, headers)

    def _say(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        # A client that was killed does not hear the answer.
        with suppress(OSError):
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


def _runs_with(word: str) -> bool:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if word.encode() in (folder / "cmdline").read_bytes():
                    return True
            except OSError:
                continue
    return False
