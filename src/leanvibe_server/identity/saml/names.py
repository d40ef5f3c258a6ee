"""The names SAML, XML Signature and XML Encryption are written with."""

from typing import Final

SAML: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP: Final = "urn:oasis:names:tc:SAML:2.0:protocol"
MD: Final = "urn:oasis:names:tc:SAML:2.0:metadata"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
ENC: Final = "http://www.w3.org/2001/04/xmlenc#"
ENC11: Final = "http://www.w3.org/2009/xmlenc11#"
EXC_C14N: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED: Final = f"{DS}enveloped-signature"
XINCLUDE: Final = "http://www.w3.org/2001/XInclude"
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"

REDIRECT: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
POST: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
BEARER: Final = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
ENTITY_FORMAT: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
EMAIL_FORMAT: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
PERSISTENT: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
TRANSIENT: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"

STATUS: Final = "urn:oasis:names:tc:SAML:2.0:status:"
SUCCESS: Final = f"{STATUS}Success"
REQUESTER: Final = f"{STATUS}Requester"
UNKNOWN_PRINCIPAL: Final = f"{STATUS}UnknownPrincipal"
