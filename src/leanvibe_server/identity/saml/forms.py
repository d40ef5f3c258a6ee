"""A page that carries a message to an identity provider by a form, as the POST binding has it.

It sends itself by a script of ours; without scripts a person presses the button.
Source: SAML 2.0 Bindings, section 3.5.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

SCRIPT = "/static/send_form.js"


@dataclass(frozen=True)
class Parcel:
    """A message on its way by form or, without fields, just an address to go to."""

    url: str
    fields: Mapping[str, str]


def page_of(parcel: Parcel) -> tuple[str, dict[str, str]]:
    """The page and its headers: the form may go to the provider and nowhere else."""
    inputs = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in parcel.fields.items()
    )
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>One moment</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="/static/style.css"><script src="{SCRIPT}" defer></script>'
        f'</head><body><main class="door"><form method="post" action="{escape(parcel.url)}" '
        f"data-send>{inputs}<p>One moment: on to your identity provider.</p>"
        '<button class="button primary">Continue</button></form></main></body></html>'
    )
    parts = urlsplit(parcel.url)
    policy = (
        "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action {parts.scheme}://{parts.netloc}"
    )
    return html, {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
