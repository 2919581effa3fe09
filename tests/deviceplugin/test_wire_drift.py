from pathlib import Path

import pytest
from grpc_tools import protoc

ROOT = Path(__file__).parents[2]
WIRE = "numalocal_deviceplugin/wire"
GRPC = ("deviceplugin_v1beta1", "podresources_v1")
PLAIN = ("nri_v1alpha1", "ttrpc")  # their services are carried by ttrpc


def generate(into: Path, names: tuple[str, ...], *outputs: str) -> None:
    arguments = [
        "protoc",
        f"-I{WIRE}={ROOT / 'protos'}",
        *(f"--{output}={into}" for output in outputs),
        *(f"{WIRE}/{name}.proto" for name in names),
    ]
    assert protoc.main(arguments) == 0, f"protoc failed: {arguments}"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("wire")
    generate(into, GRPC + PLAIN, "python_out", "pyi_out")
    generate(into, GRPC, "grpc_python_out")
    return into / WIRE


def test_the_checked_in_code_is_what_the_protos_generate(fresh: Path) -> None:
    checked_in = ROOT / "deviceplugin" / WIRE
    generated = {path.name: path.read_text() for path in fresh.iterdir()}
    present = {path.name: path.read_text() for path in checked_in.glob("*_pb2*") if path.is_file()}

    stale = sorted(
        name
        for name in generated.keys() | present.keys()
        if generated.get(name) != present.get(name)
    )
    assert not stale, f"run `make protos`: {', '.join(stale)}"


def test_every_proto_is_generated() -> None:
    assert {path.stem for path in (ROOT / "protos").glob("*.proto")} == {*GRPC, *PLAIN}
