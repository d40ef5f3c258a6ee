"""The one parser of SAML documents. What the verifier verified is read by this parser, too.

Most holes of SAML libraries are differences between two readings of one document. A document of
a protocol has no use for what makes such differences, so all of it is refused before anything
is verified: other encodings than UTF-8, DOCTYPE, entities, CDATA, comments, processing
instructions, two elements of one ID.

Source: OWASP XML External Entity Prevention and SAML Security cheat sheets.
"""

import re
from collections.abc import Iterator

from lxml import etree

from leanvibe_server.identity.saml.names import XINCLUDE
from leanvibe_server.identity.saml.refusals import Malformed, TooLarge

Element = etree._Element

MAX_BYTES = 256 * 1024
MAX_ELEMENTS = 6_000
MAX_DEPTH = 40
MAX_ATTRIBUTES = 40
MAX_NAMESPACES = 40
SPACE = " \t\r\n"

_DECLARATION = re.compile(
    r"""<\?xml\s+version=(?:"1\.0"|'1\.0')(?:\s+encoding=(?:"UTF-8"|'UTF-8'))?"""
    r"""(?:\s+standalone=(?:"(?:yes|no)"|'(?:yes|no)'))?\s*\?>""",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"<!--(?:[^-]|-[^-])*-->")
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,255}")


def parse(document: bytes, *, comments: bool = False) -> Element:
    """The root of a document that holds elements, attributes and text, and nothing else.

    `comments` allows them between elements, never inside text, as people write them into
    metadata; they are left out of what is returned.
    Raises: Malformed; TooLarge: more than MAX_BYTES.
    """
    if len(document) > MAX_BYTES:
        raise TooLarge(f"the document is larger than {MAX_BYTES} bytes")
    text = _plain_text(document, comments=comments)
    try:
        root = etree.fromstring(text.encode(), new_parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Malformed(f"the document is not well-formed XML: {error}") from None
    _check_tree(root)
    return root


def new_parser() -> etree.XMLParser:
    """The parser itself: nothing is fetched, resolved, added or mended."""
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        strip_cdata=False,
        collect_ids=False,
    )


def _plain_text(document: bytes, *, comments: bool) -> str:
    """The text without its XML declaration. In well-formed XML `<!` and `<?` begin a DOCTYPE, an
    entity, CDATA, a comment or a processing instruction, and nothing else."""
    try:
        text = document.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Malformed("the document is not UTF-8") from None
    declaration = _DECLARATION.match(text)
    if declaration is not None:
        text = text[declaration.end() :]
    if comments:
        text = _without_comments(text)
    for forbidden in ("<!", "<?", "\0"):
        if forbidden in text:
            raise Malformed(
                "the document holds a DOCTYPE, CDATA, a comment or a processing instruction"
            )
    # Each element has a tag or two; what has more is not worth building a tree of.
    if text.count("<") > 2 * MAX_ELEMENTS:
        raise Malformed("the document has too many elements")
    return text.lstrip()


def _without_comments(text: str) -> str:
    """The text without comments. One that stands inside text, where leaving it out joins what was
    apart, is kept, and so refused."""

    def between_elements(comment: re.Match[str]) -> str:
        before, after = comment.start() - 1, comment.end()
        while before >= 0 and text[before].isspace():
            before -= 1
        while after < len(text) and text[after].isspace():
            after += 1
        apart = (before < 0 or text[before] == ">") and (after == len(text) or text[after] == "<")
        return "" if apart else comment[0]

    return _COMMENT.sub(between_elements, text)


def _check_tree(root: Element) -> None:
    """Bounds on what later steps walk over, and one element at most for each ID."""
    ids: set[str] = set()
    for number, (element, depth) in enumerate(_walk(root)):
        if number >= MAX_ELEMENTS or depth > MAX_DEPTH:
            raise Malformed("the document has too many elements, or too many inside each other")
        if len(element.attrib) > MAX_ATTRIBUTES or len(element.nsmap) > MAX_NAMESPACES:
            raise Malformed("an element has too many attributes or namespaces")
        if namespace_of(element) == XINCLUDE:
            raise Malformed("the document asks for XInclude")
        for name, value in element.attrib.items():
            _note_id(str(name), str(value), ids)


def _note_id(name: str, value: str, ids: set[str]) -> None:
    if name.rpartition("}")[2].lower() != "id":
        return
    if "}" in name:
        raise Malformed("an ID attribute has a namespace")
    if not _ID.fullmatch(value):
        raise Malformed("an ID is not a plain name")
    if value in ids:
        raise Malformed("two elements have the same ID")
    ids.add(value)


def _walk(root: Element) -> Iterator[tuple[Element, int]]:
    """Every element with its depth. Raises: Malformed: a node that is none, such as an entity."""
    waiting = [(root, 0)]
    while waiting:
        element, depth = waiting.pop()
        if not isinstance(element.tag, str):
            raise Malformed("the document holds an entity, a comment or an instruction")
        yield element, depth
        waiting.extend((child, depth + 1) for child in element)


def namespace_of(element: Element) -> str:
    """The namespace of an element's name; empty for none."""
    return str(etree.QName(element).namespace or "")


def local_name(element: Element) -> str:
    """The name of an element without its namespace."""
    return str(etree.QName(element).localname)


def tag(namespace: str, name: str) -> str:
    """A name as lxml writes it."""
    return f"{{{namespace}}}{name}"


def only(parent: Element, namespace: str, name: str) -> Element:
    """The one child of that name. Raises: Malformed: none, or several."""
    found = at_most_one(parent, namespace, name)
    if found is None:
        raise Malformed(f"{local_name(parent)} has no {name}")
    return found


def at_most_one(parent: Element, namespace: str, name: str) -> Element | None:
    """The child of that name, or None. Raises: Malformed: there are several."""
    found = parent.findall(tag(namespace, name))
    if len(found) > 1:
        raise Malformed(f"{local_name(parent)} has more than one {name}")
    return found[0] if found else None


def trimmed(text: str | None) -> str:
    """A text without the space of XML around it. Other blanks of Unicode are part of a name: who
    may choose a name with one at its end must not become who has it without."""
    return (text or "").strip(SPACE)


def text_of(element: Element, *, max_length: int = 1024) -> str:
    """All of an element's text, without space around it.

    Raises: Malformed: the element holds other elements, too much, or nothing.
    """
    if len(element):
        raise Malformed(f"{local_name(element)} holds elements where text belongs")
    text = trimmed(element.text)
    if not text or len(text) > max_length:
        raise Malformed(f"{local_name(element)} is empty or too long")
    return text


def standalone(element: Element) -> bytes:
    """An element as a document of its own, with every namespace that is in force at its place."""
    return etree.tostring(element, encoding="utf-8", with_tail=False)
