"""OpenVINO in an application of one's own, and OpenVINO Model Server (ovms).

OpenVINO reads no variable: the application takes NUMALOCAL_OPENVINO_CONFIG for its
`compile_model(model, "CPU", config)`; the model server has the option --plugin_config.  Without
them OpenVINO counts the cores that it may run on, but takes no notice of reserved ones.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from numalocal import names
from numalocal.engines.adapter import Adapter, Option, Seat
from numalocal.engines.arguments import Command
from numalocal.engines.call import Call, Program

VARIABLE: Final = "NUMALOCAL_OPENVINO_CONFIG"
"""JSON: properties for compile_model."""


def _variables(seat: Seat) -> Mapping[str, str]:
    config = {
        "INFERENCE_NUM_THREADS": seat.threads,
        "NUM_STREAMS": len(seat.compute),
        "ENABLE_CPU_PINNING": True,
    }
    return {VARIABLE: json.dumps(config)}


def _notes(_call: Call) -> Sequence[str]:
    return (
        f"OpenVINO reads no variable: the application must give {VARIABLE} (JSON) to "
        'compile_model(model, "CPU", ...)',
    )


def _server_options(_call: Call) -> Sequence[Option]:
    config = (
        f'{{"INFERENCE_NUM_THREADS": $({names.ENV_THREADS}), "NUM_STREAMS": $({names.ENV_RANKS}), '
        '"ENABLE_CPU_PINNING": true}'
    )
    return (Option("--plugin_config", config, ("--config_path",)),)


def _server(command: Command, _image: str) -> Program | None:
    return Program("ovms") if command.name in ("ovms", "") else None


def _server_notes(call: Call) -> Sequence[str]:
    notes = []
    if own := call.own("--config_path"):
        notes.append(f"with {own} the model server takes plugin_config of each model from there")
    if call.job.settings.reserved_cores:
        notes.append(
            "spec.engine.reservedCores cannot be told to the model server: its threads are counted "
            "before the engine is known; say --plugin_config yourself"
        )
    return notes


_IGNORES: Final = {"OMP_NUM_THREADS": "the threads of OpenVINO do not obey it"}

ADAPTERS: Final = (
    Adapter(
        name="openvino", variables=_variables, speaks={VARIABLE: ()}, ignores=_IGNORES, notes=_notes
    ),
    Adapter(
        name="ovms", program=_server, options=_server_options, ignores=_IGNORES, notes=_server_notes
    ),
)
