"""Where a result goes on a board: pure, on plain dicts."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from backend.generations import board

ORIGINAL: dict[str, Any] = {
    "id": "one", "type": "image", "x": 10, "y": 20, "width": 300, "height": 200, "angle": 0.5, "fileId": "ast_in",
    "index": "a1", "groupIds": ["g"], "locked": True, "link": "https://example.org", "version": 9,
}  # fmt: skip


def test_the_result_stands_right_of_its_original() -> None:
    """Same size, angle and height on the board, 40 px to the right, and above all others."""
    elements: dict[str, dict[str, Any]] = {"one": ORIGINAL, "two": {"id": "two", "type": "rectangle", "index": "a7V"}}
    key, made = board.beside(elements, "one", file_id="ast_out", custom={"jobId": "job_x"}, now_ms=5)
    assert (made["x"], made["y"], made["width"], made["height"], made["angle"]) == (350, 20, 300, 200, 0.5)
    assert (made["id"], made["fileId"], made["index"], made["customData"]) == (key, "ast_out", "a8", {"jobId": "job_x"})
    assert (made["groupIds"], made["locked"], made["link"], made["version"]) == ([], False, None, 1)


def test_the_named_element_is_the_original_or_none() -> None:
    """Where the person deleted it meanwhile nothing is placed, not beside some other copy."""
    elements = {"one": ORIGINAL}
    assert board.original_of(elements, element_id="one", file_id="ast_in") == "one"
    assert board.original_of(elements, element_id="gone", file_id="ast_in") is None
    assert board.original_of(elements, element_id=None, file_id="ast_in") == "one"
    assert board.original_of(elements, element_id=None, file_id="ast_other") is None


def test_known_indices() -> None:
    """The values that the fractional-indexing library gives for `generateKeyBetween(last, null)`."""
    known = {"a0": "a1", "az": "b00", "a1V": "a2", "b0z": "b10", "bzz": "c000", "Zz": "a0", "Zy": "Zz", "Yzz": "Z0"}
    assert {last: board.index_above([last]) for last in known} == known


def test_a_board_without_indices_begins_at_the_first() -> None:
    """Malformed and missing indices are passed over."""
    assert board.index_above([]) == board.index_above(["", "?", "b0"]) == "a0"


@given(st.integers(1, 5000))
def test_each_index_is_above_the_last(count: int) -> None:
    """However many results are placed, each is above the one before."""
    last = board.index_above([])
    for _ in range(min(count, 300)):
        following = board.index_above([last])
        assert following > last
        last = following
