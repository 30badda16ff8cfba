"""The trace goes on through what one act causes."""

from hypothesis import given
from hypothesis import strategies as st

from backend.core import trace


def test_a_given_trace_is_continued_as_a_new_span() -> None:
    """The trace id stays, the span id is new (W3C Trace Context, 3.2)."""
    given_parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with trace.continued(given_parent) as inner:
        assert inner.split("-")[1] == "0af7651916cd43dd8448eb211c80319c"
        assert inner.split("-")[2] != "b7ad6b7169203331"
        assert trace.current() == inner


@given(text=st.text(max_size=80))
def test_a_malformed_header_begins_a_new_trace(text: str) -> None:
    """Nothing that a client sends reaches the logs unless it has the form."""
    with trace.continued(text) as inner:
        assert inner != text
        assert len(inner) == 55
