"""Whoever keeps the master key, what it wrapped opens for the same tenant and version only."""

import base64
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from leanvibe_server.kernel.config import ConfigError, Settings
from leanvibe_server.kernel.crypto import Undecipherable, Vault
from leanvibe_server.kernel.key_providers import load_master_keys
from leanvibe_server.kernel.master_keys import (
    Binding,
    LocalMasterKey,
    MasterKeys,
    MasterKeyUnavailable,
)
from tests.fakes.http_server import serving
from tests.fakes.kms import FakeKms
from tests.fakes.vault import FakeVault

ONE = Binding(UUID(int=1), 1)
OTHERS = (Binding(UUID(int=2), 1), Binding(UUID(int=1), 2))
KEY = b"d" * 32
MASTER = Vault(b"k" * 32)


@pytest.fixture
def vault() -> FakeVault:
    return FakeVault()


@pytest.fixture
def kms() -> FakeKms:
    return FakeKms()


@pytest.fixture
def with_vault(vault: FakeVault) -> Iterator[Settings]:
    with serving(vault.answer, "application/json") as address:
        yield Settings(key_provider="vault", vault_addr=address, vault_token=vault.token)


@pytest.fixture
def with_kms(kms: FakeKms, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", kms.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", kms.secret_key)
    with serving(kms.answer, "application/x-amz-json-1.1") as address:
        yield Settings(
            key_provider="aws",
            aws_kms_key_id=kms.key_id,
            aws_kms_region="eu-central-1",
            aws_kms_endpoint=address,
        )


async def _open_again(keys: MasterKeys) -> None:
    wrapped, name = await keys.current.wrap(KEY, ONE), keys.current.name
    assert KEY not in wrapped
    assert await keys.unwrap(wrapped, name, ONE) == KEY
    for other in OTHERS:
        with pytest.raises(Undecipherable):
            await keys.unwrap(wrapped, name, other)


async def test_the_local_key_wraps_for_one_tenant_and_version() -> None:
    await _open_again(load_master_keys(Settings(), MASTER))


async def test_vault_wraps_for_one_tenant_and_version(with_vault: Settings) -> None:
    await _open_again(load_master_keys(with_vault, MASTER))


async def test_kms_wraps_for_one_tenant_and_version_and_is_told_which(
    with_kms: Settings, kms: FakeKms
) -> None:
    await _open_again(load_master_keys(with_kms, MASTER))
    assert kms.contexts[0] == {"tenant_id": str(UUID(int=1)), "version": "1"}
    assert set(kms.calls) == {"TrentService.Encrypt", "TrentService.Decrypt"}


async def test_a_vault_that_is_sealed_or_refuses_is_unavailable_and_not_a_wrong_key(
    with_vault: Settings, vault: FakeVault
) -> None:
    keys = load_master_keys(with_vault, MASTER)
    wrapped = await keys.current.wrap(KEY, ONE)
    vault.token = "another"
    with pytest.raises(MasterKeyUnavailable, match="403"):
        await keys.unwrap(wrapped, keys.current.name, ONE)
    vault.down = True
    with pytest.raises(MasterKeyUnavailable, match="does not answer"):
        await keys.unwrap(wrapped, keys.current.name, ONE)


async def test_the_token_of_an_agent_is_read_anew_each_time(
    with_vault: Settings, vault: FakeVault, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("stale\n")
    settings = replace(with_vault, vault_token="", vault_token_file=str(file))
    keys = load_master_keys(settings, MASTER)
    with pytest.raises(MasterKeyUnavailable):
        await keys.current.wrap(KEY, ONE)
    file.write_text(f"{vault.token}\n")
    await keys.current.wrap(KEY, ONE)


async def test_a_kms_key_that_is_disabled_is_unavailable_and_so_is_a_wrong_signature(
    with_kms: Settings, kms: FakeKms
) -> None:
    keys = load_master_keys(with_kms, MASTER)
    kms.state = "Disabled"
    with pytest.raises(MasterKeyUnavailable, match="DisabledException"):
        await keys.current.wrap(KEY, ONE)
    kms.state, kms.secret_key = "Enabled", "another"
    with pytest.raises(MasterKeyUnavailable, match="InvalidSignatureException"):
        await keys.current.wrap(KEY, ONE)


async def test_what_the_local_key_wrapped_still_opens_after_the_move_to_vault(
    with_vault: Settings,
) -> None:
    before = load_master_keys(Settings(), MASTER)
    wrapped, name = await before.current.wrap(KEY, ONE), before.current.name
    after = load_master_keys(with_vault, MASTER)
    assert after.current.name == "vault:transit/leanvibe"
    assert await after.unwrap(wrapped, name, ONE) == KEY


async def test_an_earlier_local_key_only_unwraps() -> None:
    old, new = os.urandom(32), os.urandom(32)
    before = LocalMasterKey([old])
    wrapped = await before.wrap(KEY, ONE)
    after = MasterKeys(LocalMasterKey([new, old]))
    assert await after.unwrap(wrapped, before.name, ONE) == KEY
    assert after.current.name != before.name
    with pytest.raises(Undecipherable):
        await LocalMasterKey([new]).unwrap(wrapped, ONE)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"key_provider": "paper"}, "KEY_PROVIDER"),
        ({"key_provider": "vault", "vault_addr": "https://vault:8200"}, "VAULT_TOKEN"),
        ({"key_provider": "aws"}, "AWS_KMS_KEY_ID"),
    ],
)
def test_settings_that_cannot_work_are_named(values: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        Settings.from_env({name.upper(): value for name, value in values.items()})


def test_a_wrapping_key_of_the_wrong_length_is_named() -> None:
    short = base64.b64encode(b"short").decode()
    with pytest.raises(ConfigError, match="WRAPPING_KEYS"):
        load_master_keys(Settings(wrapping_keys=short), MASTER)
