"""The table of security cases: which test shows that each attack fails.

`python -m tests.security_cases` writes the page docs/reference/security-cases.md anew. A case is
the id in a test's name; what holds is the rest of the name, so the page says what the test says.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "security-cases.md"
TEST = re.compile(r"^(?:async )?def test_(sec_[a-z_]+?_\d\d)_(\w+)\(", re.MULTILINE)

# Cases without a test of their own, each with why the attack cannot be made here.
NOT_APPLICABLE: dict[str, str] = {}

AREAS = {
    "password-account": "Passwords and accounts",
    "session-refresh": "Sessions and refresh tokens",
    "jwt": "Access tokens",
    "totp-otp": "One-time codes",
    "webauthn": "Security keys and passkeys",
    "oauth-oidc-rp": "Sign-in by OpenID Connect",
    "saml-sp": "Sign-in by SAML",
    "oauth-as": "Tokens for programs",
    "api-keys": "API keys",
    "scim": "Provisioning",
    "rbac": "Roles and permissions",
    "tenant-isolation-api": "Tenants, at the API",
    "tenant-isolation-db": "Tenants, in the database",
    "rate-limit-dos": "Floods",
    "audit": "Audit",
    "crypto-residency-gdpr": "Encryption, residency, privacy",
}

HEAD = """# Security cases

Attacks that are tried against the product in every run of its tests, one line each: what must
hold, and the test that shows it. A test bears the id of its case, so `./test.sh -k sec_jwt_03` runs
one. Where a case cannot happen here, its line says why.

This page is made of the tests' names by `python -m tests.security_cases`; a test compares them.
"""


@dataclass(frozen=True)
class Shown:
    """A test that shows a case."""

    sentence: str
    path: Path


def find_tests() -> dict[str, list[Shown]]:
    """The tests of each case, by its id."""
    found: dict[str, list[Shown]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name, rest in TEST.findall(path.read_text()):
            shown = Shown(rest.replace("_", " "), path.relative_to(ROOT))
            found.setdefault(name.replace("_", "-"), []).append(shown)
    return found


def known_ids() -> list[str]:
    """The ids of all cases this product answers to."""
    return (ROOT / "tests" / "security_cases.txt").read_text().split()


def page() -> str:
    """The whole page."""
    found = find_tests()
    ids = sorted({*known_ids(), *found})
    parts = [HEAD, f"{len(ids)} cases, {len(NOT_APPLICABLE)} of them not applicable.\n"]
    for area, title in AREAS.items():
        rows = [_row(one, found.get(one, [])) for one in ids if one[4:-3] == area]
        if rows:
            parts.append(
                f"## {title}\n\n| case | what holds | verdict | test |\n| --- | --- | --- | --- |\n"
                + "\n".join(rows)
                + "\n"
            )
    return "\n".join(parts)


def _row(one: str, tests: list[Shown]) -> str:
    if not tests:
        return f"| `{one}` | – | not applicable: {NOT_APPLICABLE.get(one, '?')} | |"
    sentences = "; ".join(dict.fromkeys(shown.sentence for shown in tests))
    paths = ", ".join(dict.fromkeys(f"`{shown.path}`" for shown in tests))
    return f"| `{one}` | {sentences} | pass | {paths} |"


if __name__ == "__main__":
    PAGE.write_text(page())
