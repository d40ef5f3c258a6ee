"""What is sealed opens in its own place only."""

import base64
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanvibe_server.kernel.config import ConfigError, Settings
from leanvibe_server.kernel.crypto import Undecipherable, Vault, load_vault

A, B = UUID(int=1), UUID(int=2)
PLACE = ("projects", "credentials", UUID(int=3))
VAULT = Vault(b"k" * 32)


@given(st.binary(max_size=2000))
def test_what_was_sealed_opens_again(secret: bytes) -> None:
    sealed = VAULT.seal(secret, tenant_id=A, place=PLACE)
    assert VAULT.open(sealed, tenant_id=A, place=PLACE) == secret


@pytest.mark.parametrize(
    ("tenant_id", "place"),
    [
        (B, PLACE),
        (A, ("tasks", "credentials", UUID(int=3))),
        (A, ("projects", "description", UUID(int=3))),
        (A, ("projects", "credentials", UUID(int=4))),
    ],
    ids=["tenant", "table", "column", "row"],
)
def test_sec_crypto_residency_gdpr_01_a_ciphertext_copied_elsewhere_does_not_open(
    tenant_id: UUID, place: tuple[str, str, UUID]
) -> None:
    sealed = VAULT.seal(b"token", tenant_id=A, place=PLACE)
    with pytest.raises(Undecipherable):
        VAULT.open(sealed, tenant_id=tenant_id, place=place)


@given(st.data())
def test_a_damaged_ciphertext_does_not_open(data: st.DataObject) -> None:
    sealed = bytearray(VAULT.seal(b"token", tenant_id=A, place=PLACE))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Undecipherable):
        VAULT.open(bytes(sealed), tenant_id=A, place=PLACE)


def test_another_installation_opens_nothing() -> None:
    sealed = VAULT.seal(b"token", tenant_id=A, place=PLACE)
    with pytest.raises(Undecipherable):
        Vault(b"x" * 32).open(sealed, tenant_id=A, place=PLACE)


def test_the_master_key_is_made_once_and_nobody_else_reads_it(tmp_path: Path) -> None:
    settings = Settings(leanvibe_home=tmp_path)
    first = load_vault(settings).derive("x")
    assert load_vault(settings).derive("x") == first
    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("key", ["not base64!", base64.b64encode(b"short").decode()])
def test_a_master_key_that_cannot_work_is_named(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError, match=r"MASTER_KEY.*openssl rand -base64 32"):
        load_vault(replace(Settings(leanvibe_home=tmp_path), master_key=key))
