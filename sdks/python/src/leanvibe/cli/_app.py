"""What every command shares: the client, and how to print."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from leanvibe._records import Record
from leanvibe._settings import DEFAULT_BASE_URL, clean_base_url
from leanvibe.cli._config import Config, StoredTokens, config_path
from leanvibe.client import LeanVibeClientSync
from leanvibe.pagination import Page

RecordT = TypeVar("RecordT", bound=Record)
Command = TypeVar("Command", bound=Callable[..., Any])
# Control characters could repaint the terminal; tab and line feed are harmless.
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), "�") | {
    9: "\t",
    10: "\n",
}


class App:
    """One run of the command line."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.base_url: str | None = None
        self.json = False
        self.logging_in = False
        self.config = Config(config_path(environ))
        self._environ = environ
        self._client: LeanVibeClientSync | None = None

    @property
    def address(self) -> str:
        """The API to talk to: option, environment, login, default."""
        given = self.base_url or self._environ.get("LEANVIBE_BASE_URL")
        try:
            return clean_base_url(given or self.config.read().get("base_url") or DEFAULT_BASE_URL)
        except ValueError as wrong:
            raise click.UsageError(str(wrong)) from None

    @property
    def api_key(self) -> str | None:
        """The key in the environment, which outranks a login."""
        return self._environ.get("LEANVIBE_API_KEY") or None

    def client(self) -> LeanVibeClientSync:
        """A client with the caller's credentials.

        Raises:
            click.ClickException: there are none.
        """
        address = self.address
        if self.api_key is None and StoredTokens(self.config, address).load() is None:
            raise click.ClickException(
                f"Not logged in to {address}. Run `leanvibe login` or set LEANVIBE_API_KEY."
            )
        return self._open(use_api_key=True)

    def session(self) -> LeanVibeClientSync:
        """A client for the stored login, whether there is one or not."""
        return self._open(use_api_key=False)

    def _open(self, *, use_api_key: bool) -> LeanVibeClientSync:
        self.close()
        address = self.address
        if use_api_key and self.api_key is not None:
            self._client = LeanVibeClientSync(api_key=self.api_key, base_url=address)
        else:
            store = StoredTokens(self.config, address)
            self._client = LeanVibeClientSync(base_url=address, token_store=store)
        return self._client

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def say(self, text: str) -> None:
        """A line for people; with `--json` nothing."""
        if not self.json:
            click.echo(plain(text))

    def show(self, record: Record, fields: Sequence[tuple[str, object]]) -> None:
        """One object: its fields line by line, or all of it as JSON."""
        if self.json:
            self.print_json(record.to_dict())
            return
        rows = [(name, value) for name, value in fields if value is not None]
        width = max((len(name) for name, _ in rows), default=0)
        for name, value in rows:
            label = f"{name + ':':<{width + 1}}"
            click.echo(f"{click.style(label, bold=True)} {plain(value)}")

    def show_page(
        self, page: Page[RecordT], columns: Mapping[str, Callable[[RecordT], object]]
    ) -> None:
        """A list: a table on a terminal, tab-separated lines in a pipe, or JSON."""
        if self.json:
            self.print_json(page.to_dict())
            return
        rows = [[plain(column(row)) for column in columns.values()] for row in page]
        self.show_table([*columns], rows)
        if page.next_cursor is not None:
            click.echo(f"There are more: add --cursor {page.next_cursor}", err=True)

    def show_table(self, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Rows under headings."""
        if not sys.stdout.isatty():
            for row in [headings, *rows]:
                click.echo("\t".join(" ".join(cell.split()) for cell in row))
            return
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for number, heading in enumerate(headings):
            # The first column is the id, which is there to be copied.
            table.add_column(heading, no_wrap=number == 0, overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        Console().print(table)

    def print_json(self, value: object, *, one_line: bool = False) -> None:
        """The value as JSON on the standard output."""
        indent = None if one_line else 2
        click.echo(json.dumps(value, ensure_ascii=False, indent=indent))


def plain(value: object) -> str:
    """The value as text that cannot command the terminal."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(plain(inner) for inner in value) or "-"
    return str(value).translate(_CONTROLS)


def takes_json(command: Command) -> Command:
    """Give a command the `--json` option."""
    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        callback=_choose_json,
        help="Print JSON as the API gives it.",
    )(command)


def takes_page(command: Command) -> Command:
    """Give a command the options of a list."""
    limit = click.option(
        "--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Rows at most."
    )
    cursor = click.option("--cursor", help="Continue where the last page ended.")
    return takes_json(limit(cursor(command)))


def _choose_json(context: click.Context, _: click.Parameter, chosen: bool) -> None:
    if chosen:
        app: App = context.obj
        app.json = True
