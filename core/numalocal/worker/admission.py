"""Any pod that asks by annotation: the pod as somebody made it in, what it becomes out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numalocal import names
from numalocal.errors import SpecInvalid
from numalocal.fields import MAX_DEPTH, Fields, is_deeper
from numalocal.problems import Problem
from numalocal.worker import injected
from numalocal.worker.ask import Ask, ask_of, unknown
from numalocal.worker.inject import CheckImage, Injected, PoolNumbers, inject
from numalocal.worker.podannotations import annotations
from numalocal.worker.podtemplate import parse_pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What a pod becomes, and what its maker may not expect, a sentence each."""

    pod: Mapping[str, Any]
    warnings: tuple[str, ...]


def asks(pod: Mapping[str, Any]) -> bool:
    """Tell whether a pod asks for CPU sets."""
    annotations = Fields(pod.get("metadata"), "metadata", []).below("annotations")
    return annotations.raw(names.ANNOTATION_CPUSETS) is not None


def admit(
    pod: Mapping[str, Any], pools: Mapping[str, PoolNumbers] | None, image: CheckImage
) -> Admitted:
    """Give a pod that asks what it asks for; one that has it already stays as it is.

    `pools` are those that the cluster's nodes offer, None = not known.

    Raises:
        SpecInvalid: with every problem and its field path.
    """
    problems: list[Problem] = []
    document = Fields(pod, "", problems)
    metadata = document.below("metadata")
    if is_deeper(pod, MAX_DEPTH):
        document.problem("spec", None, f"must not be nested more than {MAX_DEPTH} levels deep")
        raise SpecInvalid(problems)
    ask = ask_of(metadata)
    numbers = _numbers(ask, pools, metadata.below("annotations"))
    is_injected = bool(injected.checks(pod))
    if not is_injected:
        _refuse_written(metadata.below("annotations"))
    read = injected.without_ours(pod) if is_injected else pod
    template = parse_pod(Fields(read, "", problems), ask, numbers.cpus_per_set)
    labels = metadata.table("labels")
    if problems or template is None:
        raise SpecInvalid(problems)
    warnings = unknown(metadata.below("annotations").names())
    if is_injected:
        spec = injected.again(pod, template, ask, image)
        written, notes = annotations(template, ask)
        made = Injected(spec=spec, annotations=written, notes=notes)
    else:
        made = inject(template, ask, numbers, image)
    return Admitted(
        pod={
            **pod,
            "metadata": {
                **metadata.whole,
                "labels": {**labels, names.LABEL_INJECTED: "true", names.LABEL_BOUND: "true"},
                "annotations": {**metadata.below("annotations").whole, **made.annotations},
            },
            "spec": made.spec,
        },
        warnings=(*warnings, *made.notes),
    )


def _refuse_written(annotations: Fields) -> None:
    """Refuse what only we write, as the agent of the node and people believe it."""
    for name in names.WRITTEN_ANNOTATIONS:
        if (value := annotations.raw(name)) is not None:
            annotations.problem(name, value, "must be left out: numalocal writes it")


def _numbers(ask: Ask, pools: Mapping[str, PoolNumbers] | None, given: Fields) -> PoolNumbers:
    """Find what nodes say of the pool, noting a pool that none offers."""
    if pools is None:
        return PoolNumbers()
    if ask.pool not in pools:
        names_pool = given.raw(names.ANNOTATION_POOL) is not None
        asking = names.ANNOTATION_POOL if names_pool else names.ANNOTATION_CPUSETS
        offered = f"offered: {', '.join(sorted(pools))}" if pools else "no node offers any"
        message = f"asks for pool {ask.pool}, which no node offers ({offered})"
        given.problem(asking, given.raw(asking), message)
    return pools.get(ask.pool, PoolNumbers())
