"""HTML as a tree of elements: the standard library writes it and escapes all text, so no value becomes markup."""

from collections.abc import Iterable
from xml.etree.ElementTree import Element, tostring

from ratchet.errors import without_credentials

_LONGEST_SENTENCE = 1_000

type Child = Element | str | None


def element(tag: str, *children: Child, **attributes: str | None) -> Element:
    """An element. None as a child or an attribute is left out.

    An attribute's name may end in an underscore (`class_`); others are written as hyphens (`aria_label`).
    """
    own = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items() if value is not None}
    made = Element(tag, own)
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif child is not None:
            _append_text(made, child)
    return made


def table(heads: Iterable[Element], rows: Iterable[Element], class_: str | None = None) -> Element:
    """A table with one row of heads."""
    return element("table", element("thead", element("tr", *heads)), element("tbody", *rows), class_=class_)


def document(root: Element) -> str:
    """The page with this root."""
    return f"<!DOCTYPE html>\n{tostring(root, encoding='unicode', method='html')}\n"


def sentence(text: str) -> str:
    """A sentence from a record or an error, without passwords in addresses, cut where it would fill the page."""
    words = without_credentials(text)
    return words if len(words) <= _LONGEST_SENTENCE else words[:_LONGEST_SENTENCE] + "…"


def _append_text(made: Element, text: str) -> None:
    if len(made):
        made[-1].tail = (made[-1].tail or "") + text
    else:
        made.text = (made.text or "") + text
