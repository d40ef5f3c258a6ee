"""SAML against an identity provider of pysaml2, in this process; it signs with xmlsec1."""

import shutil
import warnings
from base64 import b64decode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives import serialization

from leanvibe_server.kernel.clock import SystemClock
from tests.given import Organisation
from tests.identity.saml.documents import new_pair
from tests.identity.saml.provider import Connected, Flow, connect, posted

PROGRAM = shutil.which("xmlsec1")
if PROGRAM is None:
    warnings.warn("xmlsec1 is not installed: the tests with pysaml2 are skipped", stacklevel=1)
pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="NOT TRIED: install Debian's package xmlsec1"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

BINDINGS = "urn:oasis:names:tc:SAML:2.0:bindings"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"


class Peer:
    """An identity provider by pysaml2."""

    def __init__(self, folder: Path) -> None:
        pair = new_pair()
        self.certificate, self.key = folder / "idp.crt", folder / "idp.key"
        self.certificate.write_text(pair.pem)
        self.key.write_bytes(
            pair.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )

    def server(self, *metadata: str) -> Any:
        from saml2.config import IdPConfig
        from saml2.server import Server

        config = IdPConfig().load(
            {
                "entityid": "https://pysaml2.example/metadata",
                "xmlsec_binary": PROGRAM,
                "key_file": str(self.key),
                "cert_file": str(self.certificate),
                "metadata": {"inline": list(metadata)},
                "service": {
                    "idp": {
                        "want_authn_requests_signed": True,
                        "endpoints": {
                            "single_sign_on_service": [
                                ("https://pysaml2.example/sso", f"{BINDINGS}:HTTP-Redirect")
                            ],
                            "single_logout_service": [
                                ("https://pysaml2.example/slo", f"{BINDINGS}:HTTP-Redirect")
                            ],
                        },
                    }
                },
            }
        )
        return Server(config=config)

    def metadata(self) -> str:
        from saml2.metadata import entity_descriptor

        return str(entity_descriptor(self.server().config))


async def join(
    client: httpx.AsyncClient, tenant: Organisation, folder: Path
) -> tuple[Connected, Any]:
    """A tenant and a peer that know each other by their metadata, at real time."""
    tenant.house.clock = SystemClock()
    peer = Peer(folder)
    corp = await connect(client, tenant, text=peer.metadata())
    ours = (await client.get(f"{corp.base}/metadata")).text
    return corp, peer.server(ours)


def answer_of(server: Any, flow: Flow, corp: Connected, **how: Any) -> str:
    """The peer reads our request, signature and all, and answers it."""
    from saml2.saml import NAMEID_FORMAT_PERSISTENT, NameID

    query = parse_qs(urlsplit(flow.departure.url).query)
    request = server.parse_authn_request(
        query["SAMLRequest"][0],
        f"{BINDINGS}:HTTP-Redirect",
        relay_state=query["RelayState"][0],
        sigalg=query["SigAlg"][0],
        signature=query["Signature"][0],
    )
    assert request is not None
    response = server.create_authn_response(
        {"mail": [corp.email], "displayName": ["Jane"]},
        in_response_to=request.message.id,
        destination=request.message.assertion_consumer_service_url,
        sp_entity_id=request.message.issuer.text,
        name_id=NameID(format=NAMEID_FORMAT_PERSISTENT, text="person-1"),
        authn={"class_ref": PASSWORD, "authn_auth": "https://pysaml2.example"},
        sign_alg=RSA_SHA256,
        digest_alg=SHA256,
        **how,
    )
    return str(response)


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"sign_assertion": True, "sign_response": False}, 200),
        ({"sign_assertion": True, "sign_response": True}, 200),
        ({"sign_assertion": False, "sign_response": True}, 401),
        ({"sign_assertion": False, "sign_response": False}, 401),
    ],
)
async def test_what_the_peer_signs_decides(
    client: httpx.AsyncClient,
    acme: Organisation,
    tmp_path: Path,
    how: dict[str, bool],
    status: int,
) -> None:
    corp, server = await join(client, acme, tmp_path)
    flow = await corp.set_off()
    document = answer_of(server, flow, corp, **how)
    answer = await client.post("/v1/auth/saml/sso", data=posted(document, flow.handle))
    assert answer.status_code == status, answer.text
    if status == 200:
        assert answer.json()["user"]["email"] == corp.email


async def test_the_peer_ends_the_session(
    client: httpx.AsyncClient, acme: Organisation, tmp_path: Path
) -> None:
    from saml2.s_utils import decode_base64_and_inflate
    from saml2.saml import NAMEID_FORMAT_PERSISTENT, NameID

    corp, server = await join(client, acme, tmp_path)
    flow = await corp.set_off()
    document = answer_of(server, flow, corp, sign_assertion=True, sign_response=False)
    signed_in = await client.post("/v1/auth/saml/sso", data=posted(document, flow.handle))
    token = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
    _, request = server.create_logout_request(
        f"{corp.base}/slo",
        f"{corp.base}/metadata",
        name_id=NameID(format=NAMEID_FORMAT_PERSISTENT, text="person-1"),
        sign=False,
    )
    carried = server.apply_binding(
        f"{BINDINGS}:HTTP-Redirect", str(request), f"{corp.base}/slo", relay_state="theirs",
        sign=True, sigalg=RSA_SHA256,
    )  # fmt: skip
    answer = await client.get(dict(carried["headers"])["Location"])
    assert answer.status_code == 303, answer.text
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert b"status:Success" in decode_base64_and_inflate(query["SAMLResponse"][0])
    assert b64decode(query["Signature"][0])
    assert (await client.get("/v1/auth/me", headers=token)).status_code == 401
