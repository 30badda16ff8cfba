"""How events become acts."""

from typing import Any

import pytest

from backend.core import ids
from backend.recommendations.acts import Unreadable, read

WORKSPACE, PROJECT, PERSON, ASSET = (ids.new_id() for _ in range(4))


def event(kind: str, **data: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "workspace_id": str(WORKSPACE),
        "person_id": str(PERSON),
        "data": {"project_id": ids.show("prj", PROJECT), **data},
        "created_at": "2026-11-23T18:00:00.500000+00:00",
    }


@pytest.mark.parametrize(
    ("given", "tool", "asset", "born"),
    [
        (event("act.used", tool="draw"), "draw", None, False),
        (event("act.used", tool="place_asset", asset_id=ids.show("ast", ASSET)), "image", str(ASSET), False),
        (event("act.used", tool="lasso"), None, None, False),
        (event("asset.ready", asset_id=ids.show("ast", ASSET), job_id=None), "image", str(ASSET), True),
        (event("asset.ready", asset_id=ids.show("ast", ASSET), job_id="job_x"), None, str(ASSET), True),
        (event("job.submitted", task="enhance", asset_id=ids.show("ast", ASSET)), "enhance", str(ASSET), False),
        (event("edit.undone"), "undo", None, False),
    ],
)
def test_what_somebody_did_is_read(given: dict[str, Any], tool: str | None, asset: str | None, born: bool) -> None:
    """Each kind of event gives the tool and the asset that it speaks of."""
    act = read(given)
    assert act is not None
    assert (act.tool, act.asset, act.born) == (tool, asset, born)
    assert (act.workspace, act.project, act.person) == (str(WORKSPACE), str(PROJECT), str(PERSON))
    assert act.at == 1795456800.5


@pytest.mark.parametrize("kind", ["job.succeeded", "member.added", "document.created", None])
def test_other_events_teach_nothing(kind: str) -> None:
    """Kinds that are nobody's use of anything are passed over."""
    assert read(event(kind)) is None


@pytest.mark.parametrize(
    "broken",
    [
        {"data": None},
        {"data": {"project_id": "prj_nonsense", "tool": "draw"}},
        {"data": {"project_id": 7}},
        {"workspace_id": "?"},
        {"created_at": "yesterday"},
        {"created_at": None},
    ],
)
def test_a_malformed_event_is_unreadable(broken: dict[str, Any]) -> None:
    """It is refused as a whole, so that the learner can log it and go on."""
    with pytest.raises(Unreadable):
        read({**event("act.used", tool="draw"), **broken})
