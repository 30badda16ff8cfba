"""Names the acts of the studio: which are tools that can be suggested, and the words for each."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tool:
    """`does` and `doing` complete "You often … after …"; `prior` is how likely it is before anything is learned."""

    name: str
    does: str
    doing: str
    prior: float
    of_picture: bool = False  # nothing to suggest where there is none


# The priors only order the panel of a workspace that has done nothing yet; two acts outweigh them.
TOOLS: Mapping[str, Tool] = {
    "draw": Tool("Draw", "draw", "drawing", 5),
    "image": Tool("Place a photo", "place a photo", "placing a photo", 5),
    "enhance": Tool("Enhance", "enhance a photo", "enhancing a photo", 4, of_picture=True),
    "denoise": Tool("Denoise", "take the grain out of a photo", "taking the grain out of a photo", 2, of_picture=True),
    "edges": Tool("Edges", "draw a photo's outlines", "drawing a photo's outlines", 1, of_picture=True),
    "canny": Tool("Canny edges", "trace a photo's edges", "tracing a photo's edges", 1, of_picture=True),
    "text": Tool("Text", "write text", "writing text", 3),
    "rectangle": Tool("Rectangle", "draw a rectangle", "drawing a rectangle", 3),
    "arrow": Tool("Arrow", "draw an arrow", "drawing an arrow", 2),
    "undo": Tool("Undo", "undo something", "undoing something", 1),
}
OPEN_BOARD = "open_board"  # an act that tells what follows, but nothing to suggest to who is there
_SAME = {"place_asset": "image"}  # placing what is in the project and bringing a photo are one habit

ACTS = frozenset({*TOOLS, *_SAME, OPEN_BOARD})  # what a client may report


def canonical(act: str) -> str | None:
    """The name under which an act is learned; None for one that this version does not know."""
    name = _SAME.get(act, act)
    return name if name in ACTS else None


def doing(act: str) -> str:
    return TOOLS[act].doing if act in TOOLS else "opening a board"
