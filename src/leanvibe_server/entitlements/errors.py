"""Refusals for want of room."""

from leanvibe_server.kernel.errors import AppError


class QuotaExceeded(AppError):
    """A limit of the plan is reached. The caller waits until `reset_date` or upgrades."""

    status, code = 429, "quota_exceeded"
