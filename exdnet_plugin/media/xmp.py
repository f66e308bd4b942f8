"""What XMP tells of data that lies beside a photo and is not written with it (ISO 16684-1)."""

from __future__ import annotations

from collections.abc import Iterator
from xml.dom import XMLNS_NAMESPACE, minidom
from xml.parsers.expat import ExpatError

_ALL = ("",)  # every name begins with it
_CLAIMS: dict[str | None, tuple[str, ...]] = {  # by namespace, how names begin that tell of such data
    "http://ns.adobe.com/hdr-gain-map/1.0/": _ALL,
    "http://ns.apple.com/HDRGainMap/1.0/": _ALL,
    "http://ns.google.com/photos/1.0/container/": _ALL,
    "http://ns.google.com/photos/1.0/container/item/": _ALL,
    "http://ns.google.com/photos/1.0/camera/": ("MicroVideo", "MotionPhoto"),
    "http://ns.adobe.com/xmp/note/": ("HasExtendedXMP",),
}


def without_claims(xmp: bytes) -> tuple[bytes, tuple[str, ...]]:
    """XMP that tells of no gain map, no further picture, no video and no extended XMP, and a note of what is left out.

    It stays byte for byte where it tells of none, and is left out whole where it may and is no XML that can be changed.
    """
    if not any(str(namespace).encode() in xmp for namespace in _CLAIMS):
        return xmp, ()
    try:
        document = minidom.parseString(xmp)
        names = list(dict.fromkeys(_removed(document)))
        changed = "".join(node.toxml() for node in document.childNodes).encode()
    except (ExpatError, ValueError, RecursionError):
        return b"", ("its XMP is left out: it may tell of further pictures, and is no XML that can be changed",)
    if not names:
        return xmp, ()
    return changed, (f"its XMP's {', '.join(names)} are left out: what they tell of is not written",)


def _removed(document: minidom.Document) -> Iterator[str]:
    """Take claims out of a document, and tell their names."""
    for element in document.getElementsByTagName("*"):
        if _claims(element) and element.parentNode is not None:
            element.parentNode.removeChild(element)
            yield element.nodeName
            continue
        for attribute in list(element.attributes.values()):
            if _claims(attribute):
                yield attribute.nodeName
            if _claims(attribute) or _declares(attribute):
                element.removeAttributeNode(attribute)


def _claims(node: minidom.Element | minidom.Attr) -> bool:
    return node.localName.startswith(_CLAIMS.get(node.namespaceURI, ()))


def _declares(attribute: minidom.Attr) -> bool:
    """Whether it names a namespace of which nothing stays."""
    return attribute.namespaceURI == XMLNS_NAMESPACE and _CLAIMS.get(attribute.value) == _ALL
