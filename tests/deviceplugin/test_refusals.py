import re
from pathlib import Path

from numalocal_deviceplugin.refusals import NOBODY_IS_ADJUSTED, NOTHING_IS_GIVEN, Reason

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def test_every_reason_has_a_line_that_says_what_to_do() -> None:
    told = re.findall(r"^\| `(\w+)` \|", OPERATIONS.read_text(), re.MULTILINE)

    assert told == list(Reason)


def test_a_reason_stands_below_what_it_means_for_the_node() -> None:
    sections = re.split(r"^\| \| \*\*", OPERATIONS.read_text(), flags=re.MULTILINE)[1:]
    reasons = [set(re.findall(r"^\| `(\w+)` \|", one, re.MULTILINE)) for one in sections]

    assert reasons[0] == NOBODY_IS_ADJUSTED
    assert reasons[1] == NOTHING_IS_GIVEN - NOBODY_IS_ADJUSTED
