"""What happens to the data keys of a tenant."""

from typing import ClassVar

from leanvibe_server.kernel.events import Event


class KeyEvent(Event, frozen=True, kw_only=True):
    """News of data keys."""

    area: ClassVar[str] = "security"


class DataKeyRotated(KeyEvent, frozen=True, kw_only=True):
    """New values are sealed with a new key; a job seals the old ones anew."""

    name: ClassVar[str] = "data_key.rotated"
    version_made: int
    wrapped_by: str


class FieldsResealed(KeyEvent, frozen=True, kw_only=True):
    """Every value was sealed with the current key. `unreadable` could not be opened, and stay."""

    name: ClassVar[str] = "data_key.fields_resealed"
    version_used: int
    resealed: int
    unreadable: int


class DataKeyDestroyed(KeyEvent, frozen=True, kw_only=True):
    """A version that nothing is sealed with any more is gone."""

    name: ClassVar[str] = "data_key.destroyed"
    version_gone: int


class DataKeysRewrapped(KeyEvent, frozen=True, kw_only=True):
    """The keys stayed, and are wrapped by the master key of today."""

    name: ClassVar[str] = "data_key.rewrapped"
    versions: int
    wrapped_by: str


class TenantKeysDestroyed(KeyEvent, frozen=True, kw_only=True):
    """Every sealed field of the tenant became unreadable, in every backup too."""

    name: ClassVar[str] = "data_key.all_destroyed"
    versions: int
