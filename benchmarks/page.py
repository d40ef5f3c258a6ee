"""The page of the documentation that cites the figures."""

from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "benchmarks.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def printed_table(page: Path = PAGE) -> str:
    """The table as the page has it now."""
    return page.read_text().partition(BEGIN)[2].partition(END)[0].strip()


def reprint_table(table: str, page: Path = PAGE) -> None:
    """Put a table in the place of the page's own."""
    before, _, rest = page.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")
