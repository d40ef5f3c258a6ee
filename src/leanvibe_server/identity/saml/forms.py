"""A page that carries a message to an identity provider by a form, as the POST binding has it.

It sends itself by a script of ours; without scripts a person presses the button.
Source: SAML 2.0 Bindings, section 3.5.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

SCRIPT = "/static/saml/send_form.js"
STYLE = "/static/saml/style.css"


@dataclass(frozen=True)
class Parcel:
    """A message on its way by form or, without fields, just an address to go to."""

    url: str
    fields: Mapping[str, str]


def page_of(parcel: Parcel) -> tuple[str, dict[str, str]]:
    """The page and its headers.

    Browsers hold the redirects that follow a form to the places it may go to as well, and
    providers lead on to other hosts of theirs and back to us, so the policy names schemes only.
    A parcel without fields is an address: its page leads on by itself, since a redirect that
    answers one of our forms may not leave the site.
    """
    inputs = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in parcel.fields.items()
    )
    if parcel.fields:
        head = f'<script src="{SCRIPT}" defer></script>'
        onward = (
            f'<form class="form" method="post" action="{escape(parcel.url)}" data-send>{inputs}'
            '<button class="button primary wide">Continue</button></form>'
        )
    else:
        head = f'<meta http-equiv="refresh" content="0;url={escape(parcel.url)}">'
        onward = f'<a class="button primary wide" href="{escape(parcel.url)}">Continue</a>'
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>One moment</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="{STYLE}">{head}</head><body><div class="door">'
        '<main><section class="card"><div class="card-body stack"><h1>One moment</h1>'
        f"<p>On to your identity provider.</p>{onward}</div></section></main></div></body></html>"
    )
    schemes = "https:" if urlsplit(parcel.url).scheme == "https" else "https: http:"
    policy = (
        "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action {schemes}"
    )
    return html, {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
