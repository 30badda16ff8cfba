"""The peer that people write first: Celery's own workers call PyTorch. TUNED=1 lets who waits go before who does not.

BROKER_URL and RESULT_URL say where it takes pictures and where it says that they are done.
"""

import os

from celery import Celery
from celery.signals import worker_process_init

from tests.bench._inference_peers.enhancer import Enhancer

app = Celery("naive", broker=os.environ["BROKER_URL"], backend=os.environ["RESULT_URL"])
app.conf.worker_proc_alive_timeout = 60  # of a worker that loads PyTorch on a busy machine; four seconds else
if os.environ.get("TUNED"):
    app.conf.worker_prefetch_multiplier = 1  # else what was fetched before goes first, whatever its priority
    app.conf.task_acks_late = True  # else each worker fetches one more while it computes
    app.conf.broker_transport_options = {"priority_steps": [0, 9]}

_enhancers: list[Enhancer] = []


@worker_process_init.connect
def load(**_: object) -> None:
    _enhancers.append(Enhancer())


@app.task(name="enhance")
def enhance(path: str) -> str:
    return _enhancers[0].enhance(path)
