"""What shells and `man` read is made of the parser."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_completions_and_manual_are_what_the_parser_makes() -> None:
    check = [sys.executable, str(ROOT / "setup" / "manual.py"), "--check"]

    done = subprocess.run(check, capture_output=True, text=True, check=False)

    assert (done.stderr, done.returncode) == ("", 0)


def test_bash_completes_commands_and_their_options() -> None:
    completions = ROOT / "core" / "numalocal" / "commands" / "completions" / "numalocal.bash"
    words = "COMP_WORDS=(numalocal {0}); COMP_CWORD={1}; _shtab_numalocal; echo ${{COMPREPLY[*]}}"
    script = "\n".join(
        [f"source {completions}", words.format("pl", 1), words.format("topology --o", 2)]
    )

    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["plan", "--output"]


def test_every_shell_has_valid_completions() -> None:
    folder = ROOT / "core" / "numalocal" / "commands" / "completions"

    assert {path.name for path in folder.iterdir()} == {"numalocal.bash", "numalocal.zsh"}
    subprocess.run(["bash", "-n", str(folder / "numalocal.bash")], check=True)
