import json
import logging

from numalocal.log import JsonFormatter


def record(**extra: object) -> logging.LogRecord:
    made = logging.LogRecord("numalocal", logging.INFO, __file__, 1, "bound %s", ("x",), None)
    vars(made).update(extra)
    return made


def test_an_event_is_one_json_object_with_its_fields() -> None:
    line = json.loads(JsonFormatter().format(record(cpus="2-3", alloc="a1")))

    assert (
        line["message"],
        line["level"],
        line["cpus"],
        line["alloc"],
    ) == ("bound x", "info", "2-3", "a1")


def test_a_value_json_lacks_becomes_its_text() -> None:
    assert '"where": "/dev"' in JsonFormatter().format(
        record(where=__import__("pathlib").Path("/dev"))
    )
