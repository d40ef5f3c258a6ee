"""The file of an export: a ZIP of JSON lines by table, and a manifest that tells what is in it.

On the disk it is encrypted under a key of its own, which is kept sealed beside the export's row.
"""

import asyncio
import hashlib
import json
import os
import secrets
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import UUID

import leanvibe_server
from leanvibe_server.compliance import repository
from leanvibe_server.compliance.models import Export
from leanvibe_server.kernel.clock import rfc3339
from leanvibe_server.kernel.crypto import KEY_BYTES
from leanvibe_server.kernel.db import Connection
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.personal_data import DataMap, Subject, TableData
from leanvibe_server.kernel.sealed_files import SealedWriter, read_sealed
from leanvibe_server.migrations import newest_revision

FORMAT = "leanvibe-export/1"


@dataclass(frozen=True)
class Written:
    """What was put on the disk: size and hash are those of the ZIP, `key` opens the file."""

    size_bytes: int
    sha256: str
    key: bytes


async def path_of(house: House, tenant_id: UUID, export_id: UUID) -> Path:
    """Where the file of an export is, in the tenant's region."""
    region = await house.database.region_of(tenant_id)
    return house.settings.home_of(region) / "exports" / str(tenant_id) / f"{export_id}.zip"


async def write(house: House, export: Export, subject: Subject | None) -> Written:
    """Write the file as of one moment. A file that is there is whole."""
    path = await path_of(house, export.tenant_id, export.id)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(f".{os.getpid()}.draft")
    key = secrets.token_bytes(KEY_BYTES)
    try:
        async with house.database.tenant(export.tenant_id) as conn:
            await repository.in_one_view(conn)
            with _open_private(draft) as file:
                sealed = SealedWriter(file, key, _name(export.tenant_id, export.id))
                with zipfile.ZipFile(cast("Any", sealed), "w", zipfile.ZIP_DEFLATED) as archive:
                    await _fill(archive, conn, house, export, subject)
                sealed.finish()
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return Written(sealed.size_bytes, sealed.sha256, key)


def _open_private(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return os.fdopen(descriptor, "wb")


def _name(tenant_id: UUID, export_id: UUID) -> bytes:
    return f"{tenant_id}/{export_id}".encode()


async def read(house: House, tenant_id: UUID, export_id: UUID, key: bytes) -> Iterator[bytes]:
    """The ZIP, piece by piece. Raises: FileNotFoundError."""
    path = await path_of(house, tenant_id, export_id)
    file = await asyncio.to_thread(path.open, "rb")
    return read_sealed(file, key, _name(tenant_id, export_id))


async def _fill(
    archive: zipfile.ZipFile,
    conn: Connection,
    house: House,
    export: Export,
    subject: Subject | None,
) -> None:
    data_map, schema = house.part(DataMap), await repository.read_schema(conn)
    require_complete(data_map, schema)
    tables = []
    for table in data_map.tables:
        if not table.exported or (subject is not None and table.person is None):
            continue
        facts = await _write_table(archive, conn, table, export.tenant_id, subject)
        columns = [name for name in schema[table.table] if name not in table.withheld]
        tables.append(facts | {"columns": columns, "withheld": sorted(table.withheld)})
    manifest = {
        "format": FORMAT,
        "product_version": leanvibe_server.__version__,
        "schema_version": newest_revision(),
        "export_id": str(export.id),
        "tenant_id": str(export.tenant_id),
        "user_id": None if export.user_id is None else str(export.user_id),
        "generated_at": rfc3339(house.clock.now()),
        "tables": tables,
        "left_out": [one.table for one in data_map.tables if not one.exported],
    }
    archive.writestr("manifest.json", json.dumps(manifest, indent=2) + "\n")


async def _write_table(
    archive: zipfile.ZipFile,
    conn: Connection,
    table: TableData,
    tenant_id: UUID,
    subject: Subject | None,
) -> dict[str, Any]:
    name, digest, count = f"{table.table}.jsonl", hashlib.sha256(), 0
    with archive.open(name, "w") as file:
        async for line in repository.read_rows(conn, table, tenant_id, subject):
            text = f"{line}\n".encode()
            file.write(text)
            digest.update(text)
            count += 1
    return {
        "table": table.table,
        "file": name,
        "rows": count,
        "sha256": digest.hexdigest(),
        "purpose": table.purpose,
    }


def require_complete(data_map: DataMap, schema: Mapping[str, list[str]]) -> None:
    """Refuse to call an export whole where a table of the schema is in no room's list.

    Raises: LookupError.
    """
    known = {table.table for table in data_map.tables}
    missing = sorted(set(schema) - known - ABROAD)
    if missing:
        raise LookupError(f"no room says what it keeps of people in {', '.join(missing)}")


# Kept in the home region alone, where the app login may not read; nothing but keyed hashes.
ABROAD = frozenset({"tenant_directory", "remote_directory"})


async def remove(house: House, tenant_id: UUID, export_id: UUID) -> None:
    """Delete the file, and what a worker that died left of it."""
    path = await path_of(house, tenant_id, export_id)
    await asyncio.to_thread(_unlink_all, path.parent, f"{export_id}.*")


def _unlink_all(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        path.unlink(missing_ok=True)
