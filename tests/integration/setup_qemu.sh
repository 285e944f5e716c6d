#!/bin/sh
# Sets up emulation on Debian 12 (as root, about 2 minutes and 0.4 GB):
#   the aarch64 cross compiler and qemu-user 7.2, which loads plugins, from the system's own release;
#   qemu-user 10, under which ONNX Runtime starts, from trixie, unpacked into CACHE/qemu;
#   ONNX Runtime for aarch64 with a Python to run it, in CACHE/aarch64-root;
#   the C++ runner for both architectures.
# CACHE is FER_DEPLOY_CACHE or ~/.cache/fer-deploy. PYTHON (default python3) must have fer-deploy installed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${FER_DEPLOY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fer-deploy}
python=${PYTHON:-python3}
mkdir -p "$cache"

DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends \
    g++ g++-aarch64-linux-gnu mmdebstrap qemu-user

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if [ ! -x "$cache/qemu/qemu-aarch64" ]; then
    (
        . "$here/private_apt.sh"
        private_apt_init "$scratch/apt"
        apt-get update -q
        cd "$scratch" && apt-get download qemu-user
    )
    dpkg -x "$scratch"/qemu-user_*.deb "$scratch/unpacked"
    mkdir -p "$cache/qemu"
    for arch in aarch64 x86_64; do
        cp "$scratch/unpacked/usr/bin/qemu-$arch" "$cache/qemu/"
    done
fi

if [ ! -d "$cache/aarch64-root/site/onnxruntime" ]; then
    rm -rf "$cache/aarch64-root"
    mmdebstrap --quiet --variant=extract --arch=arm64 \
        --include=python3.11-minimal,libpython3.11-stdlib,libgomp1,libstdc++6 \
        bookworm "$scratch/root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
    version() { "$python" -c "from importlib.metadata import version; print(version('$1'))"; }
    "$python" -m pip install --quiet --no-deps --target "$scratch/root/site" --only-binary=:all: \
        --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux2014_aarch64 \
        --python-version 3.11 "onnxruntime==$(version onnxruntime)" "numpy==$(version numpy)"
    cp -a "$scratch/root" "$cache/aarch64-root"
fi

"$python" -m fer_deploy build-runner --arch x86_64
"$python" -m fer_deploy build-runner --arch aarch64
