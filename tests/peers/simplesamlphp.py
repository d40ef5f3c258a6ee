"""A SimpleSAMLphp identity provider, served by PHP's own web server from a folder of a test."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
from cryptography.hazmat.primitives import serialization

from tests.identity.saml.documents import Pair

HOME = Path("/usr/share/simplesamlphp")
PROGRAM = shutil.which("php") if (HOME / "www").is_dir() else None
USER, PASSWORD = "jane", "janes-password"

CONFIG = """<?php
$config = [
    'baseurlpath' => '{url}/',
    'certdir' => '{folder}/',
    'loggingdir' => '{folder}/', 'datadir' => '{folder}/', 'tempdir' => '{folder}/tmp',
    'metadatadir' => '{folder}/metadata/',
    'attributenamemapdir' => '{home}/config/attributemap/',
    'secretsalt' => 'a salt of a test', 'auth.adminpassword' => 'admin of a test',
    'technicalcontact_email' => 'nobody@idp.example', 'timezone' => 'UTC',
    'logging.level' => SimpleSAML\\Logger::DEBUG, 'logging.handler' => 'file',
    'logging.logfile' => 'idp.log', 'showerrors' => true, 'errorreporting' => false,
    'enable.saml20-idp' => true,
    'module.enable' => ['exampleauth' => true, 'core' => true, 'saml' => true],
    'session.cookie.secure' => false, 'session.cookie.samesite' => null,
    'session.phpsession.savepath' => '{folder}/tmp', 'store.type' => 'phpsession',
    'language.default' => 'en', 'language.cookie.secure' => false, 'theme.use' => 'default',
    'metadata.sources' => [
        ['type' => 'flatfile'], ['type' => 'xml', 'file' => '{folder}/sp.xml'],
    ],
];
"""
SOURCES = """<?php
$config = ['people' => ['exampleauth:UserPass', '{user}:{password}' => [
    'uid' => ['{user}'], 'email' => ['{email}'], 'groups' => ['staff'],
]]];
"""
HOSTED = """<?php
$metadata['{entity}'] = [
    'host' => '__DEFAULT__', 'privatekey' => 'idp.key', 'certificate' => 'idp.crt',
    'auth' => 'people', 'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    'redirect.sign' => true, 'redirect.validate' => true, 'validate.authnrequest' => true,
    'assertion.encryption' => {encrypted},
    'NameIDFormat' => 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress',
    'authproc' => [1 => ['class' => 'saml:AttributeNameID', 'attribute' => 'email',
        'Format' => 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress']],
];
"""


@dataclass
class SimpleSaml:
    """A running identity provider."""

    url: str
    folder: Path

    @property
    def entity_id(self) -> str:
        return f"{self.url}/idp"

    @property
    def log(self) -> str:
        path = self.folder / "idp.log"
        return path.read_text()[-6000:] if path.exists() else ""

    async def metadata(self) -> str:
        async with httpx.AsyncClient(timeout=60) as client:
            return (await client.get(f"{self.url}/saml2/idp/metadata.php")).text

    def trust(self, metadata: str) -> None:
        """Take a service provider by its own metadata."""
        (self.folder / "sp.xml").write_text(metadata)


@contextmanager
def simplesamlphp(folder: Path, pair: Pair, *, email: str, encrypted: bool) -> Iterator[SimpleSaml]:
    """An identity provider that knows one person and encrypts where it is told to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    idp = SimpleSaml(f"http://127.0.0.1:{port}", folder)
    _write(idp, pair, email=email, encrypted=encrypted)
    environment = {**os.environ, "SIMPLESAMLPHP_CONFIG_DIR": str(folder)}
    quiet = ["-d", "display_errors=0", "-d", "log_errors=1", "-d", "error_reporting=0"]
    with (folder / "php.log").open("wb") as log:
        process = subprocess.Popen(
            [str(PROGRAM), *quiet, "-S", f"127.0.0.1:{port}", "-t", str(HOME / "www")],
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        _wait(port)
        yield idp
    finally:
        process.terminate()
        process.wait(10)


def _write(idp: SimpleSaml, pair: Pair, *, email: str, encrypted: bool) -> None:
    folder = idp.folder
    for name in ("metadata", "tmp"):
        (folder / name).mkdir()
    (folder / "idp.crt").write_text(pair.pem)
    (folder / "idp.key").write_bytes(
        pair.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    values: dict[str, Any] = {"url": idp.url, "folder": folder, "home": HOME}
    (folder / "config.php").write_text(_fill(CONFIG, values))
    (folder / "authsources.php").write_text(
        _fill(SOURCES, {"user": USER, "password": PASSWORD, "email": email})
    )
    (folder / "metadata" / "saml20-idp-hosted.php").write_text(
        _fill(HOSTED, {"entity": idp.entity_id, "encrypted": str(encrypted).lower()})
    )
    (folder / "metadata" / "saml20-sp-remote.php").write_text("<?php\n$metadata = [];\n")
    (folder / "sp.xml").write_text(
        '<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata"/>'
    )


def _fill(template: str, values: dict[str, Any]) -> str:
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", str(value))
    return template


def _wait(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("PHP's web server did not start")


@dataclass(frozen=True)
class FormOnPage:
    """A form as a browser finds it in a page."""

    action: str
    fields: dict[str, str]


def form_on(page: httpx.Response) -> FormOnPage:
    """The first form with a method of POST."""
    found = re.search(r"<form[^>]*>.*?</form>", page.text, re.S | re.I)
    assert found is not None, page.text
    action = re.search(r'action="([^"]*)"', found[0])
    target = unescape(action[1]) if action else ""
    fields = {}
    for field in re.findall(r"<input[^>]*>", found[0], re.S | re.I):
        name, value = re.search(r'name="([^"]*)"', field), re.search(r'value="([^"]*)"', field)
        if name is not None:
            fields[unescape(name[1])] = unescape(value[1]) if value else ""
    return FormOnPage(urljoin(str(page.url), target or str(page.url)), fields)
