"""Which master key wraps the tenants' data keys, as the settings say: local, Vault or AWS KMS."""

import base64

from leanvibe_server.kernel.config import ConfigError, Settings, listed
from leanvibe_server.kernel.crypto import KEY_BYTES, Vault
from leanvibe_server.kernel.master_keys import LocalMasterKey, MasterKeys


def load_master_keys(settings: Settings, vault: Vault) -> MasterKeys:
    """The master key the settings name; what the local one wrapped before still opens."""
    local = LocalMasterKey(_local_keys(settings, vault))
    # Lazily: neither adapter is needed where the other, or none, is used.
    if settings.key_provider == "vault":
        from leanvibe_server.kernel.vault_transit import VaultMasterKey

        return MasterKeys(VaultMasterKey.of(settings), local)
    if settings.key_provider == "aws":
        from leanvibe_server.kernel.aws_kms import KmsMasterKey

        return MasterKeys(KmsMasterKey.of(settings), local)
    return MasterKeys(local)


def _local_keys(settings: Settings, vault: Vault) -> list[bytes]:
    """WRAPPING_KEYS, the first in use; the one derived of MASTER_KEY always opens what it
    wrapped."""
    return [*map(_decoded, listed(settings.wrapping_keys)), vault.derive("wrap data keys")]


def _decoded(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(
            "WRAPPING_KEYS must be keys of 32 bytes in base64, with commas between: "
            "`openssl rand -base64 32`."
        )
    return key
