"""A command line is read once: wrappers and shells are looked through, options in any spelling."""

import shlex

import pytest

from numalocal.engines import arguments, wrappers
from numalocal.engines.arguments import CommandLine

ARGPARSE = frozenset(
    {"-n", "--tensor-parallel-size", "-tp", "--data-parallel-size", "--data-parallel"}
)


def read(*command: str, args: tuple[str, ...] = (), **variables: str | None) -> CommandLine:
    return arguments.read(command, args, variables)


@pytest.mark.parametrize(
    ("given", "option"),
    [
        (["--tp", "2"], "--tp"),
        (["--tp=2"], "--tp"),
        (["serve", "--tensor_parallel_size=2"], "--tensor-parallel-size"),
        (["--plugin_config", "{}"], "--plugin_config"),
        (["--plugin-config={}"], "--plugin_config"),
        (["-t", "8"], "-t"),
        (["-tp=2"], "-tp"),
        (["--kv-transfer-config.kv_role", "x"], "--kv-transfer-config"),
        (["--kv_transfer_config.a.b=x"], "--kv-transfer-config"),
    ],
)
def test_an_option_is_found_however_it_is_written(given: list[str], option: str) -> None:
    assert arguments.given(given, option)


@pytest.mark.parametrize(
    ("given", "option"),
    [
        (["--tp-size", "2"], "--tp"),
        (["tp", "2"], "--tp"),
        (["-tb", "8"], "-t"),
        (["--threads", "8"], "--threads-batch"),
        (["x--tp"], "--tp"),
        ([], "-t"),
    ],
)
def test_another_option_is_not(given: list[str], option: str) -> None:
    assert not arguments.given(given, option)


@pytest.mark.parametrize(
    ("word", "option", "given"),
    [
        ("--tensor-parallel", "--tensor-parallel-size", True),
        ("--tensor_par=2", "--tensor-parallel-size", True),
        ("-t", "-tp", True),
        ("-n3", "-n", True),
        ("-n=3", "-n", True),
        ("--n3", "-n", False),
        ("-tp3", "-tp", False),
        ("--data-parallel", "--data-parallel-size", False),
        ("--", "--tensor-parallel-size", False),
        ("-", "-tp", False),
        ("--tensor-parallel-sizes", "--tensor-parallel-size", False),
        ("--thr", "--threads", False),
    ],
)
def test_the_beginning_of_a_name_is_the_name_where_the_parser_takes_it(
    word: str, option: str, *, given: bool
) -> None:
    assert arguments.given([word, "2"], option, ARGPARSE) is given


def test_a_value_may_be_behind_the_letter() -> None:
    assert arguments.value(["-n3"], "-n", ARGPARSE) == "3"


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
    "before",
    [
        ["numactl", "-C", "0-3", "-m", "0"],
        ["numactl", "-C0-3", "--membind=0"],
        ["numactl", "--physcpubind", "0-3", "--localalloc", "--"],
        ["/usr/bin/numactl", "--interleave=all"],
        ["taskset", "-c", "0-3"],
        ["taskset", "0xff"],
        ["env"],
        ["env", "-i", "-u", "HOME", "A=B", "C="],
        ["tini", "--"],
        ["/sbin/tini", "-s", "-p", "SIGTERM", "-e143", "--"],
        ["dumb-init", "--rewrite", "15:2", "--"],
        ["nice", "-n", "-5"],
        ["nice", "-10"],
        ["ionice", "-c2", "-n", "0"],
        ["chrt", "-f", "50"],
        ["stdbuf", "-oL", "-e", "0"],
        ["timeout", "-k", "5", "10m"],
        ["nohup"],
        ["setsid", "-w"],
        ["gosu", "user"],
        ["sudo", "-E", "-u", "user", "--"],
        ["runuser", "-u", "user", "--"],
        ["setpriv", "--reuid=1000", "--regid", "1000", "--clear-groups"],
        ["uv", "run", "--python", "3.12"],
        ["numalocal-bind", "exec", "--rank-from", "RANK", "--openmp=none", "--"],
        ["numalocal-bind", "run", "--"],
        ["tini", "--", "env", "A=B", "numactl", "-l", "nice"],
    ],
)
def test_wrappers_are_looked_through(before: list[str]) -> None:
    (found,) = read(*before, "/opt/vllm", "serve", "-c", "--", "A=B").commands

    assert (found.name, found.words) == ("vllm", ("serve", "-c", "--", "A=B"))
    assert wrappers.base(before[0]) in found.wrappers


def test_variables_of_env_are_the_commands() -> None:
    (found,) = read("env", "-i", "A=B", "C=", "serve", "D=E").commands

    assert (found.variables, found.words) == ({"A": "B", "C": ""}, ("D=E",))


@pytest.mark.parametrize(
    "command",
    [
        ["sh", "-c"],
        ["/bin/sh", "-ec"],
        ["bash", "-lc"],
        ["bash", "-c", "-e"],
        ["bash", "-euo", "pipefail", "-c"],
        ["bash", "-o", "pipefail", "-c", "--"],
        ["bash", "--norc", "--rcfile", "x", "+e", "-c"],
        ["env", "bash", "-c"],
        ["env", "A=B", "/usr/bin/dash", "-c"],
        ["busybox", "sh", "-c"],
        ["ash", "-c"],
        ["zsh", "-c"],
        ["tini", "--", "sh", "-c"],
    ],
)
def test_a_shell_is_known_however_it_is_called(command: list[str]) -> None:
    line = read(*command, args=("exec vllm serve m --tp=2",))

    assert line.script
    assert [(one.name, one.words) for one in line.commands] == [("vllm", ("serve", "m", "--tp=2"))]


@pytest.mark.parametrize(
    "command",
    [
        ["llama-server", "-c", "8192"],
        ["vllm", "serve", "sh", "-c", "x"],
        ["serve", "-ec", "x"],
        ["numactl", "-C", "0", "llama-server", "-c", "8192"],
        ["python3", "-c", "print(1)"],
        ["bashful", "-c", "x"],
    ],
)
def test_what_is_no_shell_is_not_taken_for_one(command: list[str]) -> None:
    assert not read(*command).script


@pytest.mark.parametrize("command", [["bash", "/start.sh", "--tp", "2"], ["sh"], ["sh", "-e", "x"]])
def test_a_script_in_a_file_is_not_read(command: list[str]) -> None:
    assert read(*command) == CommandLine((), script=True)


@pytest.mark.parametrize(
    ("args", "script"),
    [
        (("-c", "vllm serve m"), True),
        (("-ec", "serve"), True),
        (("bash", "-c", "vllm serve m"), True),
        (("-c", "8192", "-m", "x"), False),
        (("-c", "-m", "x"), False),
        (("-m", "x", "-c", "a b"), False),
    ],
)
def test_args_of_an_image_that_starts_a_shell_are_known(
    args: tuple[str, ...], *, script: bool
) -> None:
    assert read(args=args).script is script


@pytest.mark.parametrize(
    ("command", "name", "words"),
    [
        (["python3", "-m", "vllm.entrypoints.x", "--a"], "vllm.entrypoints.x", ("--a",)),
        (["python3.12", "-u", "-X", "dev", "-mserver", "a"], "server", ("a",)),
        (["/venv/bin/python", "-um", "server"], "server", ()),
        (["python", "-W", "ignore", "/opt/app.py", "-m", "x"], "app.py", ("-m", "x")),
        (["python", "-Wignore::me", "a.py"], "a.py", ()),
        (["python", "-c", "import vllm", "x"], "python -c", ("x",)),
        (["python"], "python", ()),
        (["env", "python3", "/usr/bin/vllm", "serve"], "vllm", ("serve",)),
    ],
)
def test_a_program_of_pythons_has_its_own_name(
    command: list[str], name: str, words: tuple[str, ...]
) -> None:
    (found,) = read(*command).commands

    assert (found.name, found.words, found.python) == (name, words, True)


def test_references_to_known_variables_are_expanded_and_others_stay() -> None:
    (found,) = read("serve", "--tp=$(TP)", "$(X)", "$$(TP)", TP="2", X=None).commands

    assert found.words == ("--tp=2", "$(X)", "$(TP)")


def test_shells_within_shells_are_read_to_a_depth() -> None:
    nested = ["serve --tp 2"]
    for _ in range(9):
        nested.append(shlex.join(["exec", "bash", "-c", nested[-1]]))

    assert [one.words for one in read("sh", "-c", nested[2]).commands] == [("--tp", "2")]
    assert read("sh", "-c", nested[9]).commands == ()


def test_a_variable_set_outside_is_seen_within() -> None:
    line = read("env", "TP=2", "sh", "-c", "export X=1; Y=3 serve --tp $TP --dp $DP", DP="4")

    (found,) = line.commands
    assert found.words == ("--tp", "2", "--dp", "4")
    assert dict(found.variables) == {"TP": "2", "X": "1", "Y": "3"}


@pytest.mark.parametrize(
    ("words", "doubtful"),
    [
        ("serve $MODEL --tp 2", False),
        ("serve m --port $PORT", False),
        ('serve m "$X"', False),
        ("serve m $ARGS", True),
        ("serve m --eager=x $ARGS", True),
        ("serve --tp 2", False),
    ],
)
def test_only_words_that_may_be_options_are_in_doubt(words: str, *, doubtful: bool) -> None:
    (found,) = read("sh", "-c", f"vllm {words}").commands

    assert found.doubtful is doubtful
