"""Places a result on a board beside its original: hides what an Excalidraw image element is. Pure."""

import secrets
from collections.abc import Mapping
from typing import Any

ELEMENTS = "elements"  # the board's map of element id -> properties
GAP_PX = 40
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FIRST_INDEX = "a0"
# What belongs to the original's place among others, and not to its copy.
_NOT_COPIED = ("groupIds", "boundElements", "frameId", "containerId", "link", "locked", "customData")


def original_of(elements: Mapping[str, Mapping[str, Any]], *, element_id: str | None, file_id: str) -> str | None:
    """The element that the result goes beside: the named one, or the first image of the asset; None when it is gone."""
    if element_id is not None:
        return element_id if element_id in elements else None
    return next((key for key in sorted(elements) if elements[key].get("fileId") == file_id), None)


def beside(
    elements: Mapping[str, Mapping[str, Any]], original: str, *, file_id: str, custom: Mapping[str, Any], now_ms: int
) -> tuple[str, dict[str, Any]]:
    """A new element's id and properties: the original's size and angle, to its right, above all others."""
    source = elements[original]
    element_id = secrets.token_urlsafe(12)
    copied = {key: value for key, value in source.items() if key not in _NOT_COPIED}
    return element_id, {
        **copied,
        "id": element_id,
        "type": "image",
        "x": float(source.get("x", 0)) + float(source.get("width", 0)) + GAP_PX,
        "fileId": file_id,
        "status": "saved",
        "index": index_above(str(element.get("index") or "") for element in elements.values()),
        "groupIds": [],
        "boundElements": None,
        "frameId": None,
        "link": None,
        "locked": False,
        "isDeleted": False,
        "seed": secrets.randbelow(2**31),
        "version": 1,
        "versionNonce": secrets.randbelow(2**31),
        "updated": now_ms,
        "customData": dict(custom),
    }


def index_above(indices: Any) -> str:
    """A fractional index greater than each of `indices`. Source: Greenspan, "Implementing fractional indexing"."""
    highest = max((index for index in indices if _integer_part(index)), default="")
    return _incremented(_integer_part(highest)) if highest else _FIRST_INDEX


def _integer_part(index: str) -> str:
    """The first digits: the head letter says how many follow ("a" 1, "b" 2, …; "Z" 1, "Y" 2, …). "" if malformed."""
    head = index[:1]
    if "a" <= head <= "z":
        length = ord(head) - ord("a") + 2
    elif "A" <= head <= "Z":
        length = ord("Z") - ord(head) + 2
    else:
        return ""
    return index[:length] if len(index) >= length and all(digit in _DIGITS for digit in index) else ""


def _incremented(integer: str) -> str:
    head, digits = integer[0], list(integer[1:])
    for place in reversed(range(len(digits))):
        if digits[place] != _DIGITS[-1]:
            digits[place] = _DIGITS[_DIGITS.index(digits[place]) + 1]
            return head + "".join(digits)
        digits[place] = _DIGITS[0]
    if head == "Z":
        return _FIRST_INDEX
    following = chr(ord(head) + 1)
    return following + ("".join(digits) + _DIGITS[0] if following > "a" else "".join(digits[:-1]))
