"""Line drawings of sixteen units square, drawn for this dashboard."""

from markupsafe import Markup

# One path each; strokes take the colour of the text beside them.
_PATHS = {
    "overview": "M2.5 7.5 8 3l5.5 4.5M4 6.5V13h8V6.5",
    "project": "M2 4.5A1.5 1.5 0 0 1 3.5 3h2.6l1.4 1.8h5A1.5 1.5 0 0 1 14 6.3v5.2a1.5 1.5 0 0 1"
    "-1.5 1.5h-9A1.5 1.5 0 0 1 2 11.5z",
    "task": "M2.5 4.2 3.7 5.4 5.8 3M2.5 11.2l1.2 1.2L5.8 10M8.5 4.5h5M8.5 11.5h5",
    "usage": "M2.5 13.5v-5M6.2 13.5v-9M9.8 13.5V7M13.5 13.5V2.5",
    "people": "M6 7.5a2.3 2.3 0 1 0 0-4.6 2.3 2.3 0 0 0 0 4.6zM1.8 13.2c.3-2.3 2-3.7 4.2-3.7s3.9 "
    "1.4 4.2 3.7M10.7 3.2a2.3 2.3 0 0 1 0 4.2M12 9.9c1.3.6 2.1 1.7 2.3 3.3",
    "key": "M10.2 9.4a3.6 3.6 0 1 0-3.5-2.7L2 11.4V14h2.6v-1.7h1.7v-1.7l1.4-1.4M11 5.1h.01",
    "roles": "M8 1.8 2.8 3.7v4c0 3.2 2.2 5.4 5.2 6.5 3-1.1 5.2-3.3 5.2-6.5v-4z"
    "M5.8 8l1.6 1.6L10.4 6.4",
    "audit": "M4 2h6l2.5 2.5V14H4zM9.8 2v2.8h2.7M6.2 7.8h4M6.2 10.6h4",
    "book": "M8 4.2C6.6 3.2 4.8 2.8 2.2 2.8v9.6c2.6 0 4.4.4 5.8 1.4 1.4-1 3.2-1.4 5.8-1.4V2.8c-2.6"
    " 0-4.4.4-5.8 1.4zm0 0v9.6",
    "mail": "M2 3.8h12v8.4H2zM2.2 4.2 8 9l5.8-4.8",
    "plus": "M8 3v10M3 8h10",
    "check": "m3 8.5 3.2 3.2L13 5",
    "cross": "m4 4 8 8M12 4l-8 8",
    "clock": "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.8V8l2.2 1.6",
    "running": "M14 8a6 6 0 1 1-3.2-5.3M14 2.4V5.6h-3.2",
    "pause": "M5.5 3.5v9M10.5 3.5v9",
    "stop": "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM4 12l8-8",
    "warning": "M8 2.2 14.4 13.4H1.6zM8 6.4v3M8 11.4h.01",
    "info": "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 7.4v3.4M8 5.2h.01",
    "dot": "M8 9.2a1.2 1.2 0 1 0 0-2.4 1.2 1.2 0 0 0 0 2.4z",
    "branch": "M4.5 5.6v4.8M4.5 5.6a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6zM4.5 14a1.8 1.8 0 1 0 0"
    "-3.6 1.8 1.8 0 0 0 0 3.6zM11.5 6.6a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6zM11.5 6.6c0 2.6-2.6"
    " 2.6-5.4 3.9",
    "download": "M8 2.5v7.6M4.8 7.2 8 10.3l3.2-3.1M2.8 13.2h10.4",
    "retry": "M2 8a6 6 0 1 0 3.2-5.3M2 2.4v3.2h3.2",
    "trash": "M2.8 4.2h10.4M6.2 4.2V2.4h3.6v1.8M4.2 4.2l.6 9.4h6.4l.6-9.4M6.6 6.8v4M9.4 6.8v4",
    "copy": "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
    "menu": "M2.5 4.2h11M2.5 8h11M2.5 11.8h11",
    "down": "m4 6.2 4 4 4-4",
    "left": "M9.8 4 5.8 8l4 4",
    "right": "m6.2 4 4 4-4 4",
    "appearance": "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 2v12M10.4 2.6v10.8M12.6 4.2v7.6",
    "leave": "M6.5 2.5h-4v11h4M10.2 5 13.2 8l-3 3M13 8H6.2",
    "switch": "M3 5.5h9.5M10 3l2.5 2.5L10 8M13 10.5H3.5M6 8l-2.5 2.5L6 13",
    "lock": "M3.5 7.2h9v6.3h-9zM5.2 7.2V5a2.8 2.8 0 0 1 5.6 0v2.2M8 9.6v1.6",
    "person": "M8 8a2.6 2.6 0 1 0 0-5.2A2.6 2.6 0 0 0 8 8zM3 13.6c.4-2.5 2.4-4 5-4s4.6 1.5 5 4",
    "gear": "M8 10.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4zM8 1.8v2M8 12.2v2M1.8 8h2M12.2 8h2M3.6"
    " 3.6 5 5M11 11l1.4 1.4M12.4 3.6 11 5M5 11l-1.4 1.4",
    "organisation": "M3 14V3h6v11M9 6.5h4V14M1.5 14h13M5.2 5.8h1.6M5.2 8.4h1.6M5.2 11h1.6",
}  # fmt: skip


def icon(name: str) -> Markup:
    """The drawing of that name, hidden from screen readers: the word stands beside it.

    Raises: KeyError: there is no such drawing.
    """
    return Markup(
        '<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">'
        '<path d="{}"/></svg>'
    ).format(_PATHS[name])
