"""Values of metrics -> the text that Prometheus reads, written anew only where they are others.

The text is half of what a scrape costs, and a node at rest tells nearly the same every time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import prometheus_client
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from numalocal_deviceplugin.counters import BUCKETS_S, Histogram
from numalocal_deviceplugin.node.table import Metric, Sample

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Values = Sequence[Sample] | Histogram


class _Written(NamedTuple):
    values: Values
    text: bytes


class _Alone(Collector):
    """One metric, as the library takes them."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> Iterator[Family]:
        yield self._family


class Exposition:
    """Write metrics, and remember of each its text; may be asked by several threads."""

    def __init__(self) -> None:
        self._written: dict[Metric, _Written] = {}

    def text(self, metrics: Mapping[Metric, Values]) -> bytes:
        """Write these metrics in their order; CONTENT_TYPE says what it is."""
        return b"".join(self._text(metric, values) for metric, values in metrics.items())

    def _text(self, metric: Metric, values: Values) -> bytes:
        written = self._written.get(metric)
        if written is None or written.values != values:
            if isinstance(values, Histogram):
                family = _histogram(metric, values)
            else:
                family = _family(metric, values)
            written = _Written(values, prometheus_client.generate_latest(_Alone(family)))
            self._written[metric] = written
        return written.text


def _family(metric: Metric, samples: Iterable[Sample]) -> Family:
    family = Family(metric.name.removesuffix("_total"), metric.help, metric.kind)
    for one in samples:
        family.add_sample(metric.name, dict(zip(metric.labels, one.labels, strict=True)), one.value)
    return family


def _histogram(metric: Metric, taken: Histogram) -> Family:
    family = Family(metric.name, metric.help, metric.kind)
    bounds = (*(f"{bound_s:g}" for bound_s in BUCKETS_S), "+Inf")
    for bound, number in zip(bounds, accumulate(taken.counts), strict=True):
        family.add_sample(f"{metric.name}_bucket", {"le": bound}, number)
    family.add_sample(f"{metric.name}_sum", {}, taken.sum_s)
    family.add_sample(f"{metric.name}_count", {}, sum(taken.counts))
    return family
