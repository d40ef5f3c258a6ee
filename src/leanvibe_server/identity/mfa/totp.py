"""Codes of authenticator apps: six digits that change every 30 seconds.

A code counts in its own step and the one after it, for who types slowly; never ahead of time.
Source: RFC 6238, section 5.2; NIST SP 800-63B-4, section 3.1.5.
"""

import base64
import hmac
import io
from datetime import datetime

import pyotp
import segno

STEP_S = 30
DIGITS = 6
ISSUER = "LeanVibe"
# How many steps back a code still counts; 0 ahead.
STEPS_BACK = 1
SECRET_LENGTH = 32


def new_secret() -> str:
    """160 random bits in base32. Source: RFC 4226, section 4, R6."""
    return pyotp.random_base32(SECRET_LENGTH)


def step_at(now: datetime) -> int:
    """The number of the time step of a moment."""
    return int(now.timestamp()) // STEP_S


def matching_step(secret: str, code: str, *, now: datetime) -> int | None:
    """The latest step in the window whose code this is; None for none."""
    hotp = pyotp.HOTP(secret, digits=DIGITS)
    current = step_at(now)
    found = None
    for step in range(current - STEPS_BACK, current + 1):
        if hmac.compare_digest(hotp.at(step), code):
            found = step
    return found


def qr_code(secret: str, *, account: str) -> str:
    """What an authenticator app reads, drawn as a PNG in a data URL."""
    uri = pyotp.TOTP(secret, digits=DIGITS, interval=STEP_S).provisioning_uri(
        name=account, issuer_name=ISSUER
    )
    drawn = io.BytesIO()
    segno.make(uri, error="m").save(drawn, kind="png", scale=6, border=4)
    return "data:image/png;base64," + base64.b64encode(drawn.getvalue()).decode()
