"""The peer Ray Serve, as its documentation has it, with a replica for each core: `python -m … PORT`.

Ray itself gives a replica of one core one thread of PyTorch.
"""

import os
import signal
import sys

import ray
from ray import serve
from starlette.requests import Request

from tests.bench._inference_peers.enhancer import Enhancer

CORES = len(os.sched_getaffinity(0))
STORE_BYTES = 100 * 1024 * 1024  # of Ray's shared objects, of which it would reserve a third of the memory


@serve.deployment(num_replicas=CORES, ray_actor_options={"num_cpus": 1})
class Enhance:
    def __init__(self) -> None:
        self.enhancer = Enhancer()

    async def __call__(self, request: Request) -> dict[str, str]:
        asked = await request.json()
        return {"key": self.enhancer.enhance(asked["path"])}


def main(port: int) -> None:
    ray.init(num_cpus=CORES, object_store_memory=STORE_BYTES, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(Enhance.bind(), route_prefix="/predict")  # type: ignore[attr-defined]  # the decorator's
    signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]))
