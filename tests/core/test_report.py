import pytest

from numalocal.errors import ReportInvalid
from numalocal.report import CheckReport, RankReport

REPORT = """{"verified":true,"cpus":"2-3","mems":"0",
"ranks":[{"cpus":"2-3","numaNode":0,"memoryBytes":64,"availableBytes":128}],
"limitBytes":null,"message":"bound","problems":[]}"""


def test_a_report_is_read_as_it_was_written() -> None:
    assert CheckReport.parse(REPORT) == CheckReport(
        verified=True,
        cpus="2-3",
        mems="0",
        ranks=(RankReport(cpus="2-3", numa_node=0, memory_bytes=64, available_bytes=128),),
        limit_bytes=None,
        message="bound",
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "container exited",
        '{"verified":true}',
        '{"verified":true,"cpus":"","mems":"","ranks":[1],"message":""}',
    ],
)
def test_a_text_of_someone_else_is_no_report(text: str) -> None:
    with pytest.raises(ReportInvalid, match="is not a report of numalocal-bind check"):
        CheckReport.parse(text)


def test_only_a_true_true_is_verified() -> None:
    assert not CheckReport.parse(REPORT.replace("true", '"true"')).verified
