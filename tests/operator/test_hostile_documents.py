"""Whatever the parser takes is a pod: no round of the operator ends for the shape of a document."""

import contextlib
import io
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from numalocal.errors import SpecInvalid
from numalocal.worker.documents import load_worker
from numalocal.worker.spec import Worker, parse_worker
from numalocal_operator.planning.pod import manifest, mould, revision

from ..core.worker.mutations import hostile
from .builders import CONFIG, NUMBERS


def parsed(seed: int) -> Worker | None:
    with contextlib.suppress(SpecInvalid):
        return parse_worker(load_worker(io.BytesIO(hostile(seed))))
    return None


@settings(max_examples=300, derandomize=True)
@given(st.integers(0, 2**32))
def test_a_worker_that_was_parsed_makes_a_pod_that_json_carries(seed: int) -> None:
    worker = parsed(seed)
    if worker is None:
        return

    pod = manifest(mould(worker, NUMBERS, CONFIG), 0, attempt=1)

    assert json.loads(json.dumps(pod, allow_nan=False)) == pod
    assert len(revision(worker)) == 10


def test_most_of_the_documents_are_near_enough_to_be_parsed() -> None:
    """Else the property above says nothing."""
    assert sum(parsed(seed) is not None for seed in range(100)) > 20
