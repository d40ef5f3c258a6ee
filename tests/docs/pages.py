"""The pages of the documentation, as the tests read them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def read_page(name: str) -> str:
    """The text of a page below docs/."""
    return (DOCS / name).read_text()


def list_pages() -> list[Path]:
    """Every page that a reader may open."""
    tops = [*ROOT.glob("*.md"), *(ROOT / "sdks").glob("*/README.md")]
    return sorted([*tops, *DOCS.rglob("*.md")])


def list_fences(text: str, info: str) -> list[str]:
    """The bodies of the code blocks that are marked with `info`."""
    return [found["body"] for found in _FENCE.finditer(text) if found["info"].strip() == info]


def without_code(text: str) -> str:
    """The text without code blocks and code spans: what looks like a link there is none."""
    return re.sub(r"`[^`\n]+`", "", _FENCE.sub("", text))
