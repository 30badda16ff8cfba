"""What is compiled computes as what is not; where nothing can be compiled, that runs."""

import pytest
import torch

from inference.networks import fused as module
from inference.networks.fused import fused, plainly
from inference.networks.span import Block

GPU, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # inductor's own
@torch.inference_mode()
def test_a_compiled_block_computes_the_same_for_tiles_of_all_sizes() -> None:
    """Compiled for this processor, in place of a GPU; and not anew for each size."""
    torch.manual_seed(1)
    block = Block(8).eval()
    compiled = fused(block.forward, device=GPU)
    torch._dynamo.reset()
    for height, width in ((20, 18), (18, 20), (24, 24), (7, 31)):
        pixels = torch.randn(1, 8, height, width).to(memory_format=torch.channels_last)
        expected, activation = block(pixels.clone())
        found, other = compiled(pixels.clone())
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(other, activation)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


def test_on_a_processor_and_where_it_failed_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_plain", False)
    assert fused(max, device=CPU) is max
    plainly()
    assert fused(max, device=GPU) is max
