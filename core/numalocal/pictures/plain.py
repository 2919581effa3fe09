"""Pictures for terminals that show ASCII alone: a character for a character, so columns hold."""

from typing import Final

_ASCII: Final = str.maketrans(
    {
        "░": ".",
        "▒": "-",
        "▓": "=",
        "█": "#",
        "▁": ",",
        "▂": "~",
        "▃": "+",
        "▄": "%",
        "│": "|",
        "▕": "[",
        "▏": "]",
        "○": "o",
        "×": "!",
        "·": ":",
        "…": ">",
        "\N{REPLACEMENT CHARACTER}": "?",
    }
)


def ascii_only(text: str) -> str:
    """Replace every character that is not ASCII by one that is; no two glyphs become the same."""
    return text.translate(_ASCII).encode("ascii", "replace").decode("ascii")
