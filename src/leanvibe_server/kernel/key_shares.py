"""The half of each tenant's keys that is kept outside of the database, and so of its backups."""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from leanvibe_server.kernel.crypto import KEY_BYTES, Undecipherable

_DESTROYED = b"destroyed\n"


@dataclass(frozen=True)
class KeyShares:
    """One file for each tenant of a region. Without it the wrapped keys in the database, or in
    any backup of it, open nothing: to destroy a tenant's keys is to destroy its file.

    Source: NIST SP 800-88 rev. 1, section 2.5, cryptographic erase.
    """

    folder: Path

    def find(self, tenant_id: UUID) -> bytes | None:
        """The share, or None when there was never one.

        Raises: Undecipherable: it was destroyed.
        """
        try:
            share = self._path(tenant_id).read_bytes()
        except FileNotFoundError:
            return None
        if len(share) != KEY_BYTES:
            raise Undecipherable("the keys of this tenant were destroyed")
        return share

    def require(self, tenant_id: UUID) -> bytes:
        """Raises: Undecipherable: it was destroyed, or lost with the folder."""
        share = self.find(tenant_id)
        if share is None:
            raise Undecipherable("the share of this tenant's keys is missing from the folder")
        return share

    def obtain(self, tenant_id: UUID) -> bytes:
        """The share, made now if there is none; of several who make one, all get the first.

        Raises: Undecipherable: it was destroyed; a new one would hide that.
        """
        found = self.find(tenant_id)
        if found is not None:
            return found
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._path(tenant_id).with_suffix(f".{secrets.token_hex(8)}")
        _write_through(draft, secrets.token_bytes(KEY_BYTES))
        try:
            with suppress(FileExistsError):
                os.link(draft, self._path(tenant_id))
        finally:
            draft.unlink()
        _sync_folder(self.folder)
        return self.require(tenant_id)

    def destroy(self, tenant_id: UUID) -> None:
        """Overwrite the share and leave a mark, so that none is made again under its name."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._path(tenant_id)
        if path.exists():
            _write_through(path, secrets.token_bytes(KEY_BYTES), fresh=False)
        mark = path.with_suffix(f".{secrets.token_hex(8)}")
        _write_through(mark, _DESTROYED)
        mark.replace(path)
        _sync_folder(self.folder)

    def _path(self, tenant_id: UUID) -> Path:
        return self.folder / f"{UUID(str(tenant_id))}.share"


def _write_through(path: Path, content: bytes, *, fresh: bool = True) -> None:
    """Write in place, to the disk itself."""
    flags = os.O_WRONLY | (os.O_CREAT | os.O_EXCL if fresh else 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
