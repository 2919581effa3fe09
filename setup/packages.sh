#!/bin/sh
# Install what this machine lacks; without root, name it and stop:
#   packages.sh run          what the build needs
#   packages.sh test         what the tests of `make test` run, too
#   packages.sh toolchains   compilers of other architectures, an emulator for what they make, and
#                            clang for its fuzzer; 900 MB
set -eu
cd "$(dirname "$0")/.."
. setup/need.sh

compiles() { # compiles PROGRAM FLAGS COMPILER...
    text=$1 flags=$2
    shift 2
    # shellcheck disable=SC2086 # a list of flags
    printf '%s\n' "$text" | "$@" -x c - -o /dev/null $flags
}
main='int main(void) { return 0; }'

run() {
    need_program gcc gcc
    need libc6-dev compiles "$main" '' gcc
    need libnuma-dev compiles '#include <numa.h>
int main(void) { return numa_available(); }' '-static -lnuma' gcc
    need python3-venv "${PYTHON:-python3}" -c 'import ensurepip, venv'
}

test_() {
    run
    need_program git git
    need_program numactl numactl
    need_program openssh-client ssh ssh-keygen
    need_program openssl openssl
}

cross() { # cross PACKAGE-SUFFIX LIBRARY COMPILER
    need_program "gcc-$1" "$3-gcc"
    need "$2" compiles "$main" '' "$3-gcc"
}

toolchains() {
    cross aarch64-linux-gnu libc6-dev-arm64-cross aarch64-linux-gnu
    cross powerpc64le-linux-gnu libc6-dev-ppc64el-cross powerpc64le-linux-gnu
    cross s390x-linux-gnu libc6-dev-s390x-cross s390x-linux-gnu
    need_program qemu-user-static qemu-aarch64-static qemu-ppc64le-static qemu-s390x-static
    need_program clang clang
    need libclang-rt-dev compiles '#include <stddef.h>
int LLVMFuzzerTestOneInput(const char *text, size_t length);
int LLVMFuzzerTestOneInput(const char *text, size_t length) { return text == 0 && length > 9; }' \
        -fsanitize=fuzzer clang
}

case "${1:-}" in
run | toolchains) "$1" ;;
test) test_ ;;
*)
    echo "usage: packages.sh run|test|toolchains" >&2
    exit 2
    ;;
esac
install_missing
