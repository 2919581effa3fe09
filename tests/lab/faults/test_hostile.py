"""Hostile pods are pods that the API server takes for its own part."""

import json

from faults.hostile import documents
from faults.population import HOSTILE

MAX_ANNOTATIONS_BYTES = 256 << 10
"""Of all of a pod's, as the API server allows."""


def test_each_is_a_pod_that_can_be_swept_by_its_label() -> None:
    for _, pod in documents():
        assert pod["kind"] == "Pod"
        assert pod["metadata"]["labels"] == {"app": HOSTILE}


def test_none_is_too_large_for_the_api_server() -> None:
    for what, pod in documents():
        assert len(json.dumps(pod["metadata"]["annotations"])) < MAX_ANNOTATIONS_BYTES, what


def test_no_two_do_the_same() -> None:
    told = [json.dumps(pod, sort_keys=True) for _, pod in documents()]

    assert len(set(told)) == len(told)
