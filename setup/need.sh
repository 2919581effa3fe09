# Read by the other scripts: name what is needed, then install what this machine lacks.
#
# Looks for the tools themselves rather than for packages, so a machine that has them from
# elsewhere is left alone.

missing=""
need() { # need PACKAGE COMMAND...: the package is missing where the command fails
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
need_program() { # need_program PACKAGE PROGRAM...: the package is missing where a program is
    package=$1
    shift
    for program; do need "$package" command -v "$program"; done
}

install_missing() { # without root or apt, name what is missing and stop
    # shellcheck disable=SC2086 # a list of package names
    set -- $(printf '%s\n' $missing | sort -u)
    [ $# -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "missing: $*; install with: sudo apt-get install -y $*" >&2
        exit 1
    fi
    echo "installing: $*"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
