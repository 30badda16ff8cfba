"""The trace of an act is carried on, recorded or not; a span of it is only made where somebody records."""

import contextvars
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.core import trace

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FORM = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]")


class Kept:
    """A span that remembers what became of it."""

    def __init__(self, name: str, parent: str | None, number: int) -> None:
        self.name, self.parent, self.error, self.ended = name, parent, "", False
        self.attributes: dict[str, trace.Value] = {}
        trace_id = parent.split("-")[1] if parent else "1" * 32
        self.traceparent = f"00-{trace_id}-{number:016x}-01"

    def rename(self, name: str) -> None:
        self.name = name

    def note(self, **attributes: trace.Value) -> None:
        self.attributes |= attributes

    def fail(self, error: str) -> None:
        self.error = error

    def end(self) -> None:
        self.ended = True


class Recorder:
    def __init__(self) -> None:
        self.spans: list[Kept] = []

    def start(self, name: str, parent: str | None, kind: trace.Kind, attributes: dict[str, trace.Value]) -> trace.Span:
        self.spans.append(Kept(name, parent, len(self.spans) + 1))
        self.spans[-1].attributes |= attributes
        return self.spans[-1]


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder()
    monkeypatch.setattr(trace, "_recorder", made)
    return made


def test_a_trace_goes_on_in_a_span_of_its_own() -> None:
    """Same trace, another span; afterwards the outer one is current again."""
    with trace.continued(GIVEN) as outer:
        with trace.continued(outer, "inner") as inner:
            assert trace.current() == inner
        assert trace.current() == outer
    assert {value.split("-")[1] for value in (GIVEN, outer, inner)} == {GIVEN.split("-")[1]}
    assert len({GIVEN, outer, inner}) == 3


@given(text=st.none() | st.text(max_size=80))
@example(text=GIVEN.upper())
@example(text=GIVEN + "\n")
@example(text="00-" + "0" * 32 + "-b7ad6b7169203331-01")
def test_a_malformed_header_begins_a_new_trace(text: str | None) -> None:
    """Nothing that a client sends reaches the logs unless it has the form."""
    with trace.continued(text) as value:
        assert value != text
        assert FORM.fullmatch(value)
        assert value.split("-")[1] != GIVEN.split("-")[1]


def test_without_a_recorder_there_is_no_span() -> None:
    """Nothing is made, and the traceparent goes on as it came."""
    with trace.continued(GIVEN) as value, trace.span("part", size=1):
        assert trace.current() == value
        trace.note("named", more=1)
    assert trace.begin("part", GIVEN).traceparent == GIVEN


def test_parts_are_below_what_they_are_part_of(recorder: Recorder) -> None:
    """A named act, a part of it, and a part of that."""
    with trace.continued(GIVEN, "act", kind="server"), trace.span("part"), trace.span("smaller"):
        trace.note("renamed", found=3)
    act, part, smaller = recorder.spans
    assert (act.parent, part.parent, smaller.parent) == (GIVEN, act.traceparent, part.traceparent)
    assert (smaller.name, smaller.attributes) == ("renamed", {"found": 3})
    assert all(span.ended for span in recorder.spans)


def test_a_part_of_nothing_is_not_recorded(recorder: Recorder) -> None:
    """Chores that nobody asked for would each be a trace."""

    def chore() -> None:
        with trace.span("chore"):
            pass

    contextvars.Context().run(chore)  # an empty one: other tests left an act under way in ours
    assert recorder.spans == []


def test_an_act_without_a_name_is_nobodys_parent(recorder: Recorder) -> None:
    """It is not recorded, so what is below it hangs on the span that is; a trace of its own says so by its flag."""
    with trace.continued(GIVEN), trace.span("part"):
        pass
    assert recorder.spans[0].parent == GIVEN
    with trace.continued(None) as fresh:
        assert fresh.endswith("-00")


def test_a_fault_is_noted_by_its_type_alone(recorder: Recorder) -> None:
    """Its words may be somebody's."""
    with pytest.raises(ValueError), trace.continued(None, "act"):
        raise ValueError("private")
    assert (recorder.spans[0].error, recorder.spans[0].ended) == ("ValueError", True)
    assert "private" not in str(vars(recorder.spans[0]))
