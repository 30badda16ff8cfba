"""The peer LitServe, as its documentation has it, with a worker for each core: `python -m … PORT`."""

import os
import sys

import litserve

from tests.bench._inference_peers.enhancer import Enhancer


class EnhanceAPI(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.enhancer = Enhancer()

    def decode_request(self, request: dict[str, str]) -> str:
        return request["path"]

    def predict(self, path: str) -> str:
        return self.enhancer.enhance(path)

    def encode_response(self, key: str) -> dict[str, str]:
        return {"key": key}


if __name__ == "__main__":
    workers = len(os.sched_getaffinity(0))
    # A request that waits in the queue for longer than 30 s would be refused by default.
    server = litserve.LitServer(EnhanceAPI(), accelerator="cpu", workers_per_device=workers, timeout=False)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
