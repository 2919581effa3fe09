#!/bin/sh
# Make or update the virtual environment of the real engines for tests/engines: CACHE/engines,
# where CACHE is NUMALOCAL_CACHE or ~/.cache/numalocal.
#
# llama.cpp is compiled, and for this machine's CPU: where that is another, all is made anew.
set -eu
cd "$(dirname "$0")/.."

requirements=tests/engines/requirements.txt
cache=${NUMALOCAL_CACHE:-$HOME/.cache/numalocal}
venv=$cache/engines
python=${PYTHON:-python3}
# The library alone.
cmake_args="-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=OFF \
-DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_OPENSSL=OFF"

. setup/need.sh
need_program g++ g++
need_program clang clang
need libomp-dev sh -c 'ls /usr/lib/llvm-*/lib/libomp.so'
need_program cmake cmake
need_program ninja-build ninja
need python3-venv "$python" -c 'import ensurepip, venv'
install_missing

hash() { sha256sum | cut -c 1-16; }
built_for=$({
    echo "$cmake_args"
    cat setup/llama.cmake
    grep '^llama-cpp-python' "$requirements"
    "$python" --version
    g++ -march=native -Q --help=target 2>/dev/null || uname -m
} | hash)
installed=$(hash <"$requirements")

mkdir -p "$cache"
exec 9>"$cache/.engines.lock"
flock -n 9 || {
    echo "another process works on $venv; waiting for it"
    flock 9
}
[ "$(cat "$venv/built-for" 2>/dev/null)" = "$built_for" ] || rm -rf "$venv"
[ "$(cat "$venv/installed" 2>/dev/null)" != "$installed" ] || exit 0
rm -f "$venv/installed"

pip() { "$venv/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
if [ ! -e "$venv/built-for" ]; then
    rm -rf "$venv"
    echo "setting up $venv"
    "$python" -m venv "$venv"
    pip install --upgrade "pip>=25.1,<27"
    echo "compiling llama.cpp, which takes minutes"
    # No cache: pip's would give what was compiled with other options or for another CPU.
    CMAKE_ARGS="$cmake_args '-DCMAKE_PROJECT_llama.cpp_INCLUDE_BEFORE=$PWD/setup/llama.cmake'" \
        CMAKE_BUILD_PARALLEL_LEVEL=$(nproc) \
        pip install --no-cache-dir "$(grep '^llama-cpp-python' "$requirements")"
    echo "$built_for" >"$venv/built-for"
fi
echo "installing the engines"
pip install --requirement "$requirements"
echo "$installed" >"$venv/installed"
