"""What fails says so in one piece: the command, its status, the end of what it said."""

import itertools
import sys

import pytest

from lab.commands import LabError, run, step, wait_for


def test_a_command_gives_its_output_and_takes_its_input() -> None:
    assert run(["cat"], stdin="in") == "in"
    assert run(["cat"]) == ""


def test_a_failed_command_is_named_with_its_status_and_what_it_said() -> None:
    with pytest.raises(LabError, match=r"^sh -c echo .*: status 3: bad flag$"):
        run(["sh", "-c", "echo bad flag >&2; exit 3"])


def test_of_a_long_complaint_the_end_is_kept() -> None:
    with pytest.raises(LabError) as caught:
        run([sys.executable, "-c", "import sys; sys.exit('x' * 9000 + 'the reason')"])

    assert str(caught.value).endswith("the reason")
    assert len(str(caught.value)) < 2200


def test_a_command_without_end_is_given_up() -> None:
    with pytest.raises(LabError, match=r"^sleep 60: no end after 0 s$"):
        run(["sleep", "60"], timeout_s=0.05)


def test_a_missing_program_is_named() -> None:
    with pytest.raises(LabError, match="no-such-program: no such program on this machine"):
        run(["no-such-program", "x"])


def test_waiting_ends_when_it_is_so() -> None:
    answers = iter([False, True])

    wait_for("it", lambda: next(answers), timeout_s=5, interval_s=0)

    assert list(answers) == []


def test_waiting_outlives_errors_and_names_the_last_one() -> None:
    reasons = itertools.chain(["first"], itertools.repeat("last"))

    def ready() -> bool:
        raise LabError(next(reasons))

    with pytest.raises(LabError, match=r"^node Ready: not after 0 s: last$"):
        wait_for("node Ready", ready, timeout_s=0.05, interval_s=0.01)


def test_a_step_says_what_and_how_long(capsys: pytest.CaptureFixture[str]) -> None:
    with step("building it"):
        pass

    assert capsys.readouterr().err == "lab: building it ...\nlab: building it: 0.0 s\n"


def test_a_step_says_that_it_failed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LabError), step("building it"):
        raise LabError("no")

    assert capsys.readouterr().err == "lab: building it ...\nlab: building it: failed\n"
