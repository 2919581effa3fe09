"""`numalocal annotate`: a workload with the annotations that ask, and what its pods become."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from numalocal import names
from numalocal.commands import statuses
from numalocal.commands.sources import source
from numalocal.errors import SpecInvalid
from numalocal.fields import Fields
from numalocal.problems import Problem, printable
from numalocal.worker import documents, workloads
from numalocal.worker.admission import Admitted, admit, asks
from numalocal.worker.ask import ASKING, unknown
from numalocal.worker.inject import CheckImage

OPTIONS: Final = {one.rpartition("/")[2].replace("-", "_"): one for one in ASKING}
"""By option the annotation that it writes."""
_IMAGE: Final = CheckImage(image="numalocal/binder", pull_policy="IfNotPresent")
"""The chart's values say the real one."""


def main(arguments: argparse.Namespace) -> int:
    """Print the objects of a file, annotated, and as comments what each of their pods becomes.

    Raises:
        SpecInvalid: where the file cannot be read, or a pod would be refused, with every problem.
    """
    given = {option: getattr(arguments, option) for option in OPTIONS}
    annotations = {OPTIONS[option]: text for option, text in given.items() if text is not None}
    objects = [
        workloads.annotated(one, annotations)
        for one in documents.load_objects(source(arguments.file))
    ]
    pods = [(one, pod) for one in objects for pod in workloads.pods(one) if asks(pod.pod)]
    if not pods:
        why = dict.fromkeys(reason for one in objects for reason in _missed(one))
        reasons = "; ".join(why or [f"--cpusets asks for all of: {', '.join(workloads.KINDS)}"])
        message = f"holds no workload that asks; {reasons}"
        raise SpecInvalid([Problem("file", arguments.file, message)])
    comments = [_comment(one, found) for one, found in pods]
    sys.stdout.write("---\n".join(map(_yaml, objects)))
    sys.stdout.write("".join(comments))
    return statuses.OK


def _missed(workload: Mapping[str, Any]) -> Iterator[str]:
    """Say what of a workload that does not ask was meant to."""
    kind = printable(str(workload.get("kind")))
    if kind == names.KIND:
        yield f"a {kind} is for numalocal plan"
    pods = list(workloads.pods(workload))
    if asks(workload) and pods and kind != workloads.PREDICTOR:
        where = f"{pods[0].path}.metadata.annotations"
        yield f"{names.ANNOTATION_CPUSETS} of the {kind} itself asks for nothing: put it in {where}"
    for found in pods:
        yield from unknown(Fields(found.pod, "", []).below("metadata").below("annotations").names())


def _comment(workload: Mapping[str, Any], found: workloads.Found) -> str:
    admitted = _admitted(found)
    metadata = workload.get("metadata")
    name = metadata.get("name", "") if isinstance(metadata, Mapping) else ""
    where = found.path or "the object itself"
    lines = [
        f"A pod of {workload.get('kind')} {printable(str(name))} ({where}) becomes:",
        *_yaml(admitted.pod).splitlines(),
        *(f"note: {one}" for one in admitted.warnings),
    ]
    return "".join(f"# {line}\n" for line in lines)


def _admitted(found: workloads.Found) -> Admitted:
    """Admit a pod as the webhook would, with problems at the paths of the workload."""
    try:
        return admit(found.pod, None, _IMAGE)
    except SpecInvalid as error:
        prefix = f"{found.path}." if found.path else ""
        problems = [one._replace(path=f"{prefix}{one.path}") for one in error.problems]
        raise SpecInvalid(problems) from error


def _yaml(document: Any) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000)
