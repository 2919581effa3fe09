#!/bin/sh
# Run all tests with these options of pytest, in two processes side by side, as most tests wait for
# something. What holds CPUs of this machine, as `numalocal run` does, is all in the first; what the
# other one says comes when both have ended.
set -eu
cd "$(dirname "$0")/.."
apart="tests/charts tests/deviceplugin tests/operator"

mkdir -p build/coverage
COVERAGE_FILE="$PWD/build/coverage/apart" .venv/bin/pytest "$@" $apart >build/apart.log 2>&1 &
other=$!
trap 'kill "$other" 2>/dev/null || true' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

status=0
export COVERAGE_FILE="$PWD/build/coverage/rest"
.venv/bin/pytest "$@" $(printf -- '--ignore=%s ' $apart) tests || status=$?
wait "$other" || status=$?
cat build/apart.log
exit "$status"
