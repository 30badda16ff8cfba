"""Tiles through memory that a real Triton shares with us: what comes, what is left behind, and what where it can't."""

import mmap
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as grpc  # type: ignore[import-untyped]  # the package ships no types

from inference import sharing
from inference.client import Client
from inference.contracts import EnhanceParameters
from inference.errors import InferenceCancelled
from inference.tiles import Picture
from tests.inference.tritonserver import Triton, await_ready

PICTURE = np.random.default_rng(4).integers(0, 256, (600, 512, 3), np.uint8)  # six tiles
SHARED = Path("/dev/shm")  # noqa: S108  # where POSIX puts it


@pytest.fixture
def one(triton: Triton) -> Iterator[Client]:
    """A client of its own, which has shared nothing yet."""
    client = Client(triton.url, in_flight=2)
    yield client
    client.close()


def enhanced(client: Client, *, is_cancelled: Callable[[], bool] = lambda: False) -> Picture:
    return client.run(
        "enhance",
        PICTURE,
        EnhanceParameters(),
        on_progress=lambda _: None,
        cancelled=is_cancelled,
        timeout_s=60.0,
    ).picture


def cancelled(client: Client) -> set[str]:
    """Of a run that is cancelled after a tenth of a second, with tiles on their way: the regions that are left."""
    looks, before = iter(range(1000)), len(client._shared._left)
    with pytest.raises(InferenceCancelled):
        enhanced(client, is_cancelled=lambda: next(looks) > 2)
    deadline = time.monotonic() + 5.0
    while len(client._shared._left) == before:  # the run's thread goes on before its loop has heard of it
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return {region.name for region in client._shared._left}


def mapped(triton: Triton) -> set[str]:
    """What Triton holds of this process's."""
    status = grpc.InferenceServerClient(triton.url).get_system_shared_memory_status()
    return {name for name in status.regions if name.startswith(f"{sharing._PREFIX}{os.getpid()}_")}


def test_no_name_is_left(client: Client, one: Client, triton: Triton) -> None:
    """Triton has the memory, a region for each tile in flight; the folder has none, so a kill -9 leaves nothing there.
    The next picture goes through the same."""
    before = mapped(triton)
    enhanced(one)
    held = mapped(triton) - before
    assert len(held) == 2
    assert not [*SHARED.glob(f"{sharing._PREFIX}{os.getpid()}_*")]
    enhanced(one)
    assert mapped(triton) - before == held


def test_a_client_that_ends_takes_its_memory_along(triton: Triton, client: Client) -> None:
    before = mapped(triton)
    one = Client(triton.url, in_flight=2)
    enhanced(one)
    one.close()
    assert mapped(triton) == before


def test_where_a_cancelled_tile_may_still_be_written_no_other_comes_to_lie(one: Client, triton: Triton) -> None:
    """Until Triton is certainly done with it; and where many are cancelled, the next ones go over the wire."""
    expected, held = enhanced(one), mapped(triton)
    left = cancelled(one)
    assert np.array_equal(enhanced(one), expected)
    assert not left & {region.name for region in one._shared._free}
    assert held < mapped(triton)
    while len(one._shared._left) < sharing._MOST_LEFT:
        cancelled(one)
    before = mapped(triton)
    one._shared._free.clear()
    assert np.array_equal(enhanced(one), expected)
    assert mapped(triton) == before


def test_what_was_left_long_enough_ago_is_let_go_of(
    one: Client, triton: Triton, monkeypatch: pytest.MonkeyPatch
) -> None:
    enhanced(one)
    left = cancelled(one)
    assert left <= mapped(triton)
    monkeypatch.setattr(sharing, "_SETTLES_S", 0.0)
    deadline = time.monotonic() + 20.0
    while left & mapped(triton):  # until then it refused, for a tile of it was still computed
        assert time.monotonic() < deadline
        enhanced(one)


def test_after_triton_was_started_anew_it_is_shared_again(one: Client, triton: Triton) -> None:
    expected = enhanced(one)
    held = mapped(triton)
    triton.kill()
    triton.start()
    await_ready(one)
    assert not mapped(triton)
    assert np.array_equal(enhanced(one), expected)
    assert mapped(triton)
    assert not mapped(triton) & held


@pytest.mark.parametrize("why", ["it is elsewhere", "there is no room"])
def test_over_the_wire_the_same_comes(
    one: Client, client: Client, triton: Triton, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Triton that does not see our memory is another machine's, or of another user; a container's is often small."""
    expected, before = enhanced(client), mapped(triton)
    with monkeypatch.context() as patch:
        patch.setattr(sharing, "_FOLDER", tmp_path)
        if why == "there is no room":
            patch.setattr(sharing, "_STEP", 1 << 50)
        assert np.array_equal(enhanced(one), expected)
    assert mapped(triton) == before
    assert not [*tmp_path.iterdir()]
    assert np.array_equal(enhanced(one), expected)


def test_what_a_killed_process_left_is_let_go_of(one: Client, triton: Triton) -> None:
    """By the next one that comes."""
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    name = f"{sharing._PREFIX}{ended.pid}_0123456789abcdef"
    with (SHARED / name).open("w+b") as file:
        file.truncate(mmap.PAGESIZE)
        stub = grpc.InferenceServerClient(triton.url)
        stub.register_system_shared_memory(name, f"/{name}", mmap.PAGESIZE)
    (SHARED / name).unlink()
    enhanced(one)
    assert name not in stub.get_system_shared_memory_status().regions
