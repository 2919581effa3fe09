import logging
import re
from pathlib import Path

import pytest

from numalocal_deviceplugin.node import telling
from numalocal_deviceplugin.node.document import About, document
from numalocal_deviceplugin.node.health import readyz
from numalocal_deviceplugin.refusals import NOBODY_IS_ADJUSTED, NOTHING_IS_GIVEN, Reason, Refusal

from .node.scrapes import samples, scrape
from .nodes import make_state

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def test_every_reason_has_a_line_that_says_what_to_do() -> None:
    told = re.findall(r"^\| `(\w+)` \|", OPERATIONS.read_text(), re.MULTILINE)

    assert told == list(Reason)


def test_a_reason_stands_below_what_it_means_for_the_node() -> None:
    sections = re.split(r"^\| \| \*\*", OPERATIONS.read_text(), flags=re.MULTILINE)[1:]
    reasons = [set(re.findall(r"^\| `(\w+)` \|", one, re.MULTILINE)) for one in sections]

    assert reasons[0] == NOBODY_IS_ADJUSTED
    assert reasons[1] == NOTHING_IS_GIVEN - NOBODY_IS_ADJUSTED


@pytest.mark.parametrize("reason", Reason)
def test_a_refusal_is_the_same_in_log_probe_metric_and_object(
    reason: Reason, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = make_state()
    state.refuse("a part", [Refusal(reason=reason, message="what, and what to do", subject="it")])
    now = state.snapshot()

    telling.told(frozenset(), now.refusals)
    shown = document(now, About(agent="0.1.0", kernel="6.12.0"))["refusals"]
    counted = {
        one.labels["reason"]: one.value
        for one in samples(scrape(state, tmp_path))
        if one.name == "numalocal_refusals"
    }

    (said,) = [vars(one) for one in caplog.records if one.levelno == logging.ERROR]
    assert (said["reason"], said["subject"], said["err"]) == (reason, "it", "what, and what to do")
    assert f"{reason} it: what, and what to do\n" in readyz(now, age_s=60.0).body.decode()
    assert {name for name, number in counted.items() if number} == {reason}
    told = {"reason": reason, "message": "what, and what to do", "subject": "it"}
    # That it is not published cannot be published.
    assert shown == ([] if reason is Reason.NOT_PUBLISHED else [told])
