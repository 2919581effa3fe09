"""`numalocal annotate` as a user starts it."""

from pathlib import Path

import pytest
import yaml

from numalocal.commands import parser
from numalocal.commands.annotate import OPTIONS

from .conftest import Run

ANNOTATED = Path(__file__).parents[2] / "examples" / "annotated"
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: llama}
spec:
  selector: {matchLabels: {app: llama}}
  template:
    metadata: {labels: {app: llama}}
    spec:
      containers: [{name: server, image: "llama.cpp:server", args: [-m, /m.gguf]}]
---
apiVersion: v1
kind: Service
metadata: {name: llama}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "deployment.yaml"
    path.write_text(DEPLOYMENT, encoding="utf-8")
    return path


def test_a_workload_is_printed_with_annotations_and_what_its_pods_become(
    numalocal: Run, file: Path
) -> None:
    done = numalocal("annotate", "-f", file, "--cpusets", "2", "--engine", "llama.cpp")

    deployment, service = yaml.safe_load_all(done.stdout)
    asked = {"numalocal.io/cpusets": "2", "numalocal.io/engine": "llama.cpp"}
    assert deployment["spec"]["template"]["metadata"]["annotations"] == asked
    assert deployment["spec"]["template"]["spec"]["containers"][0]["name"] == "server"
    assert service == {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "llama"}}
    assert "# A pod of Deployment llama (spec.template) becomes:" in done.stdout
    assert "#     - --cpu-mask" in done.stdout
    assert "# note: llama.cpp is one process" in done.stdout
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_printed_can_be_annotated_again(numalocal: Run, file: Path, tmp_path: Path) -> None:
    once = numalocal("annotate", "-f", file, "--cpusets", "1").stdout
    again = tmp_path / "again.yaml"
    again.write_text(once, encoding="utf-8")

    assert numalocal("annotate", "-f", again).stdout == once


def test_what_a_cluster_would_refuse_is_refused_with_the_workloads_paths(
    numalocal: Run, file: Path
) -> None:
    done = numalocal("annotate", "-f", file, "--cpusets", "many", "--container", "web")

    assert done.returncode == 2
    assert done.stdout == ""
    assert "spec.template.metadata.annotations[numalocal.io/cpusets]: 'many'" in done.stderr
    assert "'web' is no container of this pod: server" in done.stderr


def test_a_file_in_which_nothing_asks_says_how_to_ask(numalocal: Run, file: Path) -> None:
    done = numalocal("annotate", "-f", file)

    assert done.returncode == 2
    assert "holds no workload that asks; --cpusets asks for all of: CronJob" in done.stderr


@pytest.mark.parametrize(
    ("place", "annotations", "said"),
    [
        (
            "metadata: {name: llama",
            "numalocal.io/cpusets: '1'",
            "; numalocal.io/cpusets of the Deployment itself asks for nothing: put it in "
            "spec.template.metadata.annotations\n",
        ),
        (
            "metadata: {labels: {app: llama}",
            "numalocal.io/cpuset: '1'",
            "; annotation numalocal.io/cpuset is not known: did you mean numalocal.io/cpusets?\n",
        ),
    ],
    ids=["of the Deployment", "misspelt"],
)
def test_an_annotation_that_does_not_ask_is_told_where_and_how_it_would(
    numalocal: Run, file: Path, place: str, annotations: str, said: str
) -> None:
    asking = f"{place}, annotations: {{{annotations}}}"
    file.write_text(DEPLOYMENT.replace(place, asking, 1), encoding="utf-8")

    done = numalocal("annotate", "-f", file)

    assert done.returncode == 2
    assert done.stderr.endswith(f"'{file}' holds no workload that asks{said}")


def test_a_worker_is_for_another_command(numalocal: Run) -> None:
    done = numalocal("annotate", "-f", ANNOTATED.parent / "vllm.yaml")

    assert done.returncode == 2
    assert done.stderr.endswith("; a CpuInferenceWorker is for numalocal plan\n")


@pytest.mark.parametrize("example", sorted(ANNOTATED.glob("*.yaml")), ids=lambda one: one.stem)
def test_an_example_asks_already_and_is_told_what_its_pods_become(
    numalocal: Run, example: Path
) -> None:
    done = numalocal("annotate", "-f", example)

    assert done.returncode == 0
    assert list(yaml.safe_load_all(done.stdout)) == list(yaml.safe_load_all(example.read_text()))
    assert "becomes:" in done.stdout
    assert "# note:" not in done.stdout


def test_every_annotation_that_asks_has_an_option() -> None:
    made = parser.make("annotate").parse_args(["annotate", "-f", "-"])

    assert OPTIONS.keys() <= vars(made).keys()
