import pytest

from numalocal.engines import arguments


@pytest.mark.parametrize(
    ("given", "option"),
    [
        (["--tp", "2"], "--tp"),
        (["--tp=2"], "--tp"),
        (["serve", "--tensor_parallel_size=2"], "--tensor-parallel-size"),
        (["--plugin_config", "{}"], "--plugin_config"),
        (["--plugin-config={}"], "--plugin_config"),
        (["-t", "8"], "-t"),
    ],
)
def test_an_option_is_found_however_it_is_written(given: list[str], option: str) -> None:
    assert arguments.has(given, option)


@pytest.mark.parametrize(
    ("given", "option"),
    [
        (["--tp-size", "2"], "--tp"),
        (["tp", "2"], "--tp"),
        (["-tb", "8"], "-t"),
        ([], "-t"),
    ],
)
def test_another_option_is_not(given: list[str], option: str) -> None:
    assert not arguments.has(given, option)


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (["--tp", "2"], "2"),
        (["--tp=2", "x"], "2"),
        (["--tp", "2", "--tp=4"], "4"),
        (["--tp="], ""),
        (["--tp"], None),
        ([], None),
    ],
)
def test_the_last_value_counts(given: list[str], value: str | None) -> None:
    assert arguments.value(given, "--tp") == value


@pytest.mark.parametrize(
    ("command", "script"),
    [
        (["sh", "-c", "serve"], True),
        (["/bin/bash", "-euc", "serve"], True),
        (["-c", "serve"], True),
        (["bash", "start.sh"], False),
        (["serve", "-c", "config"], False),
        (["--config", "x"], False),
        ([], False),
    ],
)
def test_a_shells_script_is_told_from_a_program(command: list[str], *, script: bool) -> None:
    assert arguments.is_script(command) is script


def test_the_words_of_a_script_count() -> None:
    words = arguments.words(["sh", "-c", "exec vllm serve m --tensor-parallel-size 2"])

    assert arguments.value(words, "--tensor-parallel-size") == "2"
