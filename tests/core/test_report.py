import pytest

from numalocal.errors import ReportInvalid
from numalocal.report import CheckReport, OverflowCost, RankReport

REPORT = """{"verified":true,"cpus":"2-3","mems":"0",
"ranks":[{"cpus":"2-3","numaNode":0,"memoryBytes":64,"availableBytes":128}],
"limitBytes":null,"message":"bound","problems":[]}"""


def test_a_report_is_read_as_it_was_written() -> None:
    assert CheckReport.parse(REPORT) == CheckReport(
        verified=True,
        cpus="2-3",
        mems="0",
        ranks=(
            RankReport(
                cpus="2-3", numa_node=0, memory_nodes="0", memory_bytes=64, available_bytes=128
            ),
        ),
        limit_bytes=None,
        message="bound",
    )


WHOLE = """{"verified":false,"cpus":"0-7","mems":"0-1","ranks":[],"limitBytes":null,
"memoryPolicy":{"mode":"interleave","nodes":"0-1"},
"overflow":{"interleavedBytesPerSecond":700,"nearBytesPerSecond":1000},
"message":"not bound","problems":[],"unbound":["a","b"]}"""


def test_the_policy_and_what_best_effort_let_pass_are_read() -> None:
    report = CheckReport.parse(WHOLE)

    assert (report.memory_policy, report.memory_policy_nodes) == ("interleave", "0-1")
    assert report.unbound == ("a", "b")
    assert report.overflow == OverflowCost(interleaved_bytes_per_s=700, near_bytes_per_s=1000)


@pytest.mark.parametrize("said", ["{}", '{"nearBytesPerSecond":null}'])
def test_memory_that_overflows_may_be_unmeasured(said: str) -> None:
    measured = '{"interleavedBytesPerSecond":700,"nearBytesPerSecond":1000}'

    report = CheckReport.parse(WHOLE.replace(measured, said))

    assert report.overflow == OverflowCost(interleaved_bytes_per_s=None, near_bytes_per_s=None)


def test_a_policy_that_the_kernel_does_not_tell_is_none() -> None:
    policy = '{"mode":"interleave","nodes":"0-1"}'

    report = CheckReport.parse(WHOLE.replace(policy, "null"))

    assert (report.memory_policy, report.memory_policy_nodes) == (None, "")


@pytest.mark.parametrize(
    "text",
    [
        WHOLE.replace('"unbound":["a","b"]', '"unbound":7'),
        WHOLE.replace('{"mode":"interleave","nodes":"0-1"}', '"interleave"'),
        WHOLE.replace('"mode":"interleave",', ""),
        WHOLE.replace("700", "-1"),
        WHOLE.replace("700", "1e300"),
        WHOLE.replace('{"interleavedBytesPerSecond":700,"nearBytesPerSecond":1000}', "[]"),
        WHOLE.replace('"unbound":["a","b"]', '"unbound":"ab"'),
        WHOLE.replace('"unbound":["a","b"]', '"unbound":[{"a":1}]'),
        WHOLE.replace('"ranks":[]', '"ranks":{}'),
        WHOLE.replace('"interleave"', '["interleave"]'),
        WHOLE.replace('"nodes":"0-1"', '"nodes":0'),
        WHOLE.replace('"not bound"', "null"),
        WHOLE.replace("not bound", "\\ud800"),
        WHOLE.replace("not bound", "\\u001b[2J"),
        WHOLE.replace('"0-7"', "7"),
        WHOLE.replace('"0-7"', '"0-7\\n"'),
        "",
        "null",
        "[]",
        "{}",
        "container exited",
        '{"verified":true}',
        '{"verified":true,"cpus":"","mems":"","ranks":[1],"message":""}',
        REPORT.replace("64", "Infinity"),
        REPORT.replace("64", "1e999"),
        REPORT.replace("64", "NaN"),
        REPORT.replace("64", "6.5"),
        REPORT.replace("64", "true"),
        REPORT.replace("64", '"64"'),
        REPORT.replace("64", "-1"),
        REPORT.replace("64", str(1 << 63)),
        REPORT.replace("64", "9" * 4000),
        REPORT.replace("null", "9" * 4000),
        REPORT.replace('"numaNode":0', '"numaNode":4294967296'),
        REPORT.replace("[", "[" * 4000),
        "[" * 4096,
        '{"ranks":' * 400,
        "\x1b[2J",
    ],
)
def test_a_text_of_someone_else_is_no_report(text: str) -> None:
    with pytest.raises(ReportInvalid, match="is not a report of numalocal-bind check"):
        CheckReport.parse(text)


def test_a_text_of_someone_else_is_shown_in_one_short_line() -> None:
    with pytest.raises(ReportInvalid) as caught:
        CheckReport.parse("\x1b[2J\n" * 500)

    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_only_a_true_true_is_verified() -> None:
    assert not CheckReport.parse(REPORT.replace("true", '"true"')).verified
