#!/bin/sh
# Unpack libnuma for another of Debian's architectures into a folder: cross_libnuma.sh ARCH FOLDER
#
# apt works on lists of its own below the folder, with this machine's sources and keys: no foreign
# architecture is added to the system, and nothing is installed.
set -eu

arch=$1 folder=$2
if ! command -v apt-get >/dev/null; then
    echo "libnuma of $arch comes from Debian, and this machine has no apt-get" >&2
    exit 1
fi
rm -rf "$folder"
mkdir -p "$folder/apt/state/lists/partial" "$folder/apt/cache/archives/partial"
folder=$(cd "$folder" && pwd)
foreign() {
    apt-get -qq -o APT::Architecture="$arch" -o APT::Architectures="$arch" \
        -o Dir::State="$folder/apt/state" -o Dir::State::status=/dev/null \
        -o Dir::Cache="$folder/apt/cache" -o Acquire::Languages=none -o APT::Sandbox::User=root \
        "$@"
}
foreign update || true # one bad list of many: the download decides
(cd "$folder/apt" && foreign download libnuma-dev)
dpkg-deb -x "$folder"/apt/libnuma-dev_*.deb "$folder"
rm -rf "$folder/apt"
