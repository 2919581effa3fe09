import pytest

from numalocal.commands import parser


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Give the usage, and the error without the names of all that there is."""
    with pytest.raises(SystemExit) as caught:
        parser.make(arguments[0]).parse_args(arguments)
    assert caught.value.code == 2
    usage, _, error = capsys.readouterr().err.partition("\nnumalocal ")
    return usage, error.strip()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["topology", "--rot", "/"], "unrecognized arguments: --rot /; did you mean --root?"),
        (["topology", "/"], "unrecognized arguments: /"),
        (["topology", "--verbose"], "unrecognized arguments: --verbose"),
        (["run", "-f", "x", "-o", "json"], "unrecognized arguments: -o json"),
        (["annotate", "-f", "x", "--memry=1Gi"], "--memry=1Gi; did you mean --memory?"),
        (["topology", "-o", "jsno"], "); did you mean json?"),
        (["topology", "-o", "yaml"], ")"),
        (["help", "rum"], "); did you mean run?"),
        (["bench", "--weights", "256MB"], "must be an amount of memory: did you mean 256Mi?"),
        (["bench", "--weights", "0"], "'0' must be an amount of memory such as 64Gi"),
    ],
)
def test_an_argument_that_is_wrong_is_told_by_its_own_command(
    arguments: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    usage, found = said(arguments, capsys)

    assert usage.startswith(f"usage: numalocal {arguments[0]} ")
    assert found.startswith(f"{arguments[0]}: error: ")
    assert found.endswith(error)


def test_a_command_that_is_not_known_is_told_which_was_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        parser.make("paln").parse_args(["paln"])

    assert capsys.readouterr().err.endswith("); did you mean plan?\n")


def test_weights_are_bytes_in_every_unit_of_kubernetes() -> None:
    sizes = [
        parser.make("bench").parse_args(["bench", *given]).weights
        for given in ([], ["--weights", "1Gi"], ["--weights=2e6"])
    ]

    assert sizes == [256 << 20, 1 << 30, 2_000_000]
