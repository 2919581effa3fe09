"""The README's two commands on a Debian with python3, make and git, and nothing else.

The root is unpacked into memory, in namespaces of its own: however this ends, no mount, process or
file outlives it.  How packages are reached from this machine holds there too: apt's mirror and
proxies, pip's configuration, certificates, and the variables that name them.
"""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from lab import packages
from lab.artifacts import artifact, key
from lab.commands import LabError, run
from lab.node_image import SUITE

__all__ = ["SUITE", "run_commands"]

_PACKAGES = "ca-certificates,git,make,python3"
_FILES = (
    "/etc/hosts",
    "/etc/pip.conf",
    "/etc/resolv.conf",
    "/etc/ssl/certs/ca-certificates.crt",
    "/usr/local/share/ca-certificates",
)
_OWN_FILES = (".config/go/env", ".config/pip/pip.conf", ".pip/pip.conf")
_VARIABLES = re.compile(
    r"pip_\w+|\w+_proxy|goproxy|gosumdb|ssl_cert_\w+|requests_ca_bundle", re.IGNORECASE
)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_APT_OPTIONS = re.compile(r'^(Acquire::(?:https?|Check-|Retries)\S* "[^"]+";)$', re.MULTILINE)
_ENDS_IN_S = 10
_ENTER = """
root=$1 archive=$2 checkout=$3
shift 3
mount -t tmpfs -o mode=755 newcomer "$root"
tar --extract --file "$archive" --directory "$root" --numeric-owner
[ $# = 0 ] || cp --recursive --dereference --parents --remove-destination "$@" "$root"
mkdir -p "$root$HOME"
git clone --quiet --no-hardlinks "$checkout" "$root$HOME/numalocal"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t proc proc "$root/proc"
exec chroot "$root" sh -euc '
cd ~/numalocal
for target in run test; do
  echo "newcomer: make $target"
  start=$(date +%s)
  make $target
  echo "newcomer: make $target: $(($(date +%s) - start)) s"
done'
"""


def run_commands(checkout: Path, suite: str) -> None:
    """Run them on a clone of the checkout, with what is committed there.

    Raises:
        LabError: where one of them fails; it has said why.
    """
    packages.require("mmdebstrap")
    folder = _root(suite)
    files = configuration_files(os.environ)
    enter = ["sh", "-euc", _ENTER, "newcomer", folder / "root", folder / "root.tar", checkout]
    # The kernel ends all processes there with the first, and that with us.
    apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    command = ["setpriv", "--pdeathsig", "KILL", *apart, *map(str, enter), *map(str, files)]
    with subprocess.Popen(command, env=variables(os.environ), stdin=subprocess.DEVNULL) as process:
        try:
            status = process.wait()
        except KeyboardInterrupt:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_ENDS_IN_S)  # they were interrupted as well, and put things back
            process.kill()
            raise
    if status:
        raise LabError(f"a newcomer on {suite} would see this fail with status {status}")


def variables(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Keep what a login has, and what says how packages are reached."""
    kept = {name: value for name, value in environ.items() if _VARIABLES.fullmatch(name)}
    return {"HOME": str(Path.home()), "PATH": _PATH, "TERM": "dumb"} | kept


def configuration_files(environ: Mapping[str, str]) -> list[Path]:
    """Give the files and folders of this machine that say how packages are reached."""
    named = [value for name, value in environ.items() if _VARIABLES.fullmatch(name)]
    own = [Path.home() / one for one in _OWN_FILES]
    known = {*map(Path, _FILES), *own, *(Path(value) for value in named if value[:1] == "/")}
    return sorted(path for path in known if path.exists())


def apt_options(dump: str) -> list[str]:
    """Take from `apt-config dump` how servers are spoken to: proxies, certificates, checks."""
    return _APT_OPTIONS.findall(dump)


def mirror(addresses: Iterable[str]) -> str | None:
    """Choose the mirror of Debian among the addresses of apt's sources; None: mmdebstrap's own."""
    return min((one for one in addresses if one.rstrip("/").endswith("/debian")), default=None)


def _root(suite: str) -> Path:
    """Give a folder with `root.tar`, and the empty folder `root` to unpack it over."""
    arguments = list(_apt_arguments())
    found = mirror(run(["apt-get", "indextargets", "--format", "$(REPO_URI)"]).split())
    place = [found] if found else []

    def build(folder: Path) -> None:
        (folder / "root").mkdir()
        include = f"--include={_PACKAGES}"
        command = ["mmdebstrap", "--variant=minbase", include, *arguments, suite]
        run([*command, folder / "root.tar", *place])

    name = f"newcomer-{suite}"
    return artifact(name, key(_PACKAGES, *arguments, *place, Path(__file__)), build)


def _apt_arguments() -> Iterator[str]:
    yield from (f"--aptopt={one}" for one in apt_options(run(["apt-config", "dump", "Acquire"])))
