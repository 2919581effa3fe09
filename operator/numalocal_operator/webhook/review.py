"""Answer one AdmissionReview: what the pod becomes, or why it is refused."""

import base64
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from numalocal.errors import NumalocalError, SpecInvalid
from numalocal.worker.admission import admit, asks
from numalocal.worker.inject import CheckImage
from numalocal_operator.planning.affinity import keep_off, kept_off
from numalocal_operator.planning.offered import Offered

Raw = Mapping[str, Any]
Offers = Callable[[Raw], Offered]
"""Tells what the nodes are to a pod that asks."""

_INVALID: Final = 422
_BROKEN: Final = 500
_MOST_WARNING: Final = 250
"""The API server cuts what is longer (apiserver/pkg/warning)."""
_MOST_MESSAGE: Final = 8000

_log = logging.getLogger(__name__)


class ReviewInvalid(NumalocalError):
    """A request that is no AdmissionReview of a pod."""


def answer(review: Any, offers: Offers, image: CheckImage) -> dict[str, Any]:
    """Answer a review, the shape of admission.k8s.io/v1.

    Raises:
        ReviewInvalid: where it is none.
    """
    request = review.get("request") if isinstance(review, Mapping) else None
    if not isinstance(request, Mapping) or not isinstance(request.get("uid"), str):
        raise ReviewInvalid("must be an AdmissionReview of admission.k8s.io/v1 with a request")
    pod = request.get("object")
    if not isinstance(pod, Mapping):
        raise ReviewInvalid("request.object must be a pod")
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": request["uid"], **_judged(pod, offers, image)},
    }


def _judged(pod: Raw, offers: Offers, image: CheckImage) -> dict[str, Any]:
    if not asks(pod):
        return {"allowed": True}
    try:
        offered = offers(pod)
        admitted = admit(pod, offered.pools, image)
    except SpecInvalid as error:
        message = "; ".join(str(one) for one in error.problems)
        return _refused(_INVALID, "Invalid", f"numalocal: {message}")
    except Exception as error:
        # A pod must get a sentence, and the next pod its answer, whatever is wrong with this one.
        _log.exception("review failed")
        kind = type(error).__name__
        return _refused(_BROKEN, "InternalError", f"numalocal: {kind}; the operator's log has more")
    if offered.never:
        why = f"no node can bind this pod as it asks: {offered.never}"
        return _refused(_INVALID, "Invalid", f"numalocal: {why}")
    allowed: dict[str, Any] = {"allowed": True}
    if warnings := [one for one in (*admitted.warnings, offered.exposed) if one]:
        allowed["warnings"] = [one[:_MOST_WARNING] for one in warnings]
    if operations := patch(pod, _kept_off(admitted.pod, offered.off)):
        text = json.dumps(operations, separators=(",", ":")).encode()
        allowed |= {"patchType": "JSONPatch", "patch": base64.b64encode(text).decode("ascii")}
    return allowed


def _kept_off(pod: Raw, nodes: Sequence[str]) -> Raw:
    metadata = pod["metadata"]
    annotations = {**metadata["annotations"], **kept_off(nodes)}
    return {
        **pod,
        "metadata": {**metadata, "annotations": annotations},
        "spec": keep_off(pod["spec"], nodes),
    }


def _refused(code: int, reason: str, message: str) -> dict[str, Any]:
    status = {"code": code, "reason": reason, "message": message[:_MOST_MESSAGE]}
    return {"allowed": False, "status": status}


def patch(before: Raw, after: Raw) -> list[dict[str, Any]]:
    """Say what changes, as a JSON patch (RFC 6902) of the fields of spec and metadata.

    A field that stays is not named, so that nothing of it can be lost.
    """
    return [
        {"op": "add", "path": f"/{part}/{field}", "value": value}
        for part in ("metadata", "spec")
        for field, value in after[part].items()
        if (before.get(part) or {}).get(field) != value
    ]
