"""Suggestions never name what is another tenant's, not even where the learner's own memory is wrong."""

import json
import time

import pytest

from backend.core import ids, valkey
from backend.recommendations.memory import Known, Placed
from backend.recommendations.shelf import subjects
from tests.isolation.conftest import World
from tests.isolation.watch import contents, leaks, told_by, watching


@pytest.fixture
def _wrong_memory(world: World) -> None:
    """What is kept of the foreigner's project says that a quiet asset was used there, by the quiet tenant's owner."""
    asset, ours = (str(ids.parse("ast", tenant.things["asset_id"])) for tenant in (world.quiet, world.away))
    owner, now = world.quiet.owner.id, time.time()
    placed = Placed(as_of=now)
    for name in (asset, ours):
        placed.assets[name] = Known(born_at=now, used_at=now, used_by=str(owner))
        placed.uses.add(name, now)
    placed.pair(asset, ours, now)
    foreigner, project = world.away.owner.id, ids.parse("prj", world.away.things["project_id"])
    part = subjects(world.away.workspace.id, foreigner, project)[2]
    valkey.client().set(part.key, json.dumps(placed.dump()), ex=60)


@pytest.mark.usefixtures("_wrong_memory")
def test_a_wrong_memory_shows_nothing_of_another_tenant(world: World) -> None:
    """The foreign asset is not suggested, and neither its name nor that of its tenant's owner is told."""
    caller = world.callers["foreigner"]
    with watching(world.workspaces_of(caller), caller.person) as sight:
        answer = caller.client.get(f"/api/v1/projects/{world.away.things['project_id']}/suggestions")
    shown = [item["id"] for item in answer.json()["items"]]
    assert world.away.things["asset_id"] in shown
    assert "Somebody used this just now" in [item["reason"] for item in answer.json()["items"]]
    assert leaks(told_by(answer), marks={world.quiet.mark, world.mark}, ids=contents(world.quiet).ids) == set()
    assert sight.foreign == {}
