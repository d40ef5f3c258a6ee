"""Wire shapes of data keys."""

from pydantic import BaseModel, Field

from leanvibe_server.kernel.data_keys import WrappedKey
from leanvibe_server.kernel.pagination import Whole
from leanvibe_server.kernel.schemas import Timestamp


class DataKeyView(BaseModel):
    """One version of the tenant's data key. The key itself is never shown."""

    version: int
    status: str = Field(description="active, retired (still opens old values) or destroyed")
    wrapped_by: str = Field(description="Which master key wraps it", examples=["aws:alias/lv"])
    created_at: Timestamp
    retired_at: Timestamp | None
    destroyed_at: Timestamp | None

    @classmethod
    def of(cls, key: WrappedKey) -> "DataKeyView":
        return cls(
            version=key.version,
            status="destroyed" if key.destroyed_at else "retired" if key.retired_at else "active",
            wrapped_by=key.wrapped_by,
            created_at=key.created_at,
            retired_at=key.retired_at,
            destroyed_at=key.destroyed_at,
        )


class DataKeys(Whole[DataKeyView]):
    """Every version, newest first."""

    @classmethod
    def of(cls, keys: list[WrappedKey]) -> "DataKeys":
        return cls(data=[DataKeyView.of(key) for key in keys])
