"""What happens to quotas."""

from datetime import datetime
from typing import ClassVar

from leanvibe_server.kernel.events import Event


class QuotaWarned(Event, frozen=True, kw_only=True):
    """Nine tenths of a limit are used. Told once a period."""

    name: ClassVar[str] = "tenant.quota_warning"
    public: ClassVar[bool] = True
    quota_type: str
    current_usage: int
    quota_limit: int
    reset_date: datetime | None


class QuotaReached(Event, frozen=True, kw_only=True):
    """All of a limit is used. Told once a period."""

    name: ClassVar[str] = "tenant.quota_exceeded"
    public: ClassVar[bool] = True
    quota_type: str
    current_usage: int
    quota_limit: int
    reset_date: datetime | None
