#!/bin/sh
# Install what the build needs and this machine lacks; without root, name it and stop.
#
# Looks for the tools themselves rather than for packages, so a machine that has them from
# elsewhere is left alone.
set -eu

missing=""
need() { # need PACKAGE COMMAND...: the package is missing where the command fails
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
compiles() { printf '%s\n' "$1" | gcc -x c - -o /dev/null $2; }

need gcc command -v gcc
need libc6-dev compiles 'int main(void) { return 0; }' ''
need libnuma-dev compiles '#include <numa.h>
int main(void) { return numa_available(); }' '-static -lnuma'
need python3-venv "${PYTHON:-python3}" -c 'import ensurepip, venv'

[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "missing:$missing; install with: sudo apt-get install -y$missing" >&2
    exit 1
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of package names
apt-get install -y -qq --no-install-recommends $missing >/dev/null
