#!/usr/bin/env bash
# Makes Android's own ONNX Runtime, as it is in the app's AAR, run on this x86_64 computer.
#
#   android_demo/build-apk.sh check && android_demo/host_runtime/prepare.sh          # an emulator's library
#   android_demo/build-apk.sh check && android_demo/host_runtime/prepare.sh arm64    # and a phone's, under qemu
#
# Leaves in build/host:
#   run JOB RESULTS PROTOCOL     the app's benchmark: its Kotlin, the AAR's Java, JNI and native libraries
#   c_api MODEL INPUTS LOGITS CLASSES C,H,W     the native library alone
#   c_api_arm64 ...              the same of the phone's
# What is not Android's is libc: a copy of the library without symbol versions takes glibc's functions by their names,
# and bionic_shim.c those that glibc lacks. So this shows what the library computes, not how fast a phone is.
#
# arm64 needs what tests/integration/setup_qemu.sh installs; QEMU, CROSS_CC and SYSROOT name other ones.
set -euo pipefail
mode=${1:-x86_64}
here=$(cd "$(dirname "$0")" && pwd)
user_cache=${XDG_CACHE_HOME:-$HOME/.cache}/fer-deploy
cache=${FER_TOOLCHAIN:-$user_cache}/android
build=${BUILD_DIR:-$(dirname "$here")/build}
host=$build/host
qemu=${QEMU:-${FER_DEPLOY_CACHE:-$user_cache}/qemu/qemu-aarch64}
sysroot=${SYSROOT:-/usr/aarch64-linux-gnu}

fail() { echo "prepare.sh: $*" >&2; exit 2; }
case $mode in x86_64 | arm64) ;; *) fail "unknown mode '$mode'; use arm64 or nothing" ;; esac
[ "$(uname -m)" = x86_64 ] || fail "needs an x86_64 computer"
command -v gcc > /dev/null || fail "needs gcc"
[ -f "$build/app.jar" ] || fail "no $build/app.jar: run android_demo/build-apk.sh check first"
newest() { # PATTERN: what build-apk.sh has fetched, the last by version
    local found
    found=$(compgen -G "$cache/$1" | sort -V | tail -n 1) || true
    [ -n "$found" ] || fail "no $cache/$1: run android_demo/build-apk.sh check first"
    echo "$found"
}
aar=$(newest 'onnxruntime-*')
kotlin=$(newest 'kotlin-*')/lib/kotlin-stdlib.jar
json=$(newest 'debian-*')/usr/share/java/com.android.json.jar

natives() { # COMPILER ABI: the libraries and the C program, in a folder of the ABI's name
    local compiler=$1 folder=$host/$2
    mkdir -p "$folder"
    "$compiler" -O2 -shared -fPIC -Wl,-soname,libc.so -o "$folder/libc.so" "$here/bionic_shim.c" -ldl
    for name in libm libdl liblog libandroid; do # empty: their functions are in the shim and in glibc
        echo | "$compiler" -shared -Wl,-soname,$name.so -o "$folder/$name.so" -x c -
    done
    for library in "$aar/jni/$2"/*.so; do
        python3 "$here/strip_versions.py" "$library" "$folder/$(basename "$library")"
    done
    "$compiler" -O2 -Wall -I "$aar/headers" -o "$folder/c_api" "$here/c_api.c" -Wl,--no-as-needed -lm -ldl
}

launcher() { # NAME WORD...: a script that runs them with its own arguments
    printf '#!/bin/sh\nexec %s "$@"\n' "$(printf '%q ' "${@:2}")" > "$host/$1"
    chmod +x "$host/$1"
}

rm -rf "$host"
mkdir -p "$host/classes"
natives gcc x86_64
shim=(env "LD_PRELOAD=$host/x86_64/libc.so" "LD_LIBRARY_PATH=$host/x86_64")
launcher c_api "${shim[@]}" "$host/x86_64/c_api"
javac -d "$host/classes" -cp "$build/core.jar:$build/app.jar:$kotlin" "$here/RunJob.java"
launcher run "${shim[@]}" java "-Donnxruntime.native.path=$host/x86_64" \
    -cp "$host/classes:$build/core.jar:$build/app.jar:$aar/classes.jar:$kotlin:$json" RunJob

if [ "$mode" = arm64 ]; then
    [ -x "$qemu" ] || fail "no $qemu: run tests/integration/setup_qemu.sh"
    natives "${CROSS_CC:-aarch64-linux-gnu-gcc}" arm64-v8a
    launcher c_api_arm64 "$qemu" -cpu cortex-a76 -L "$sysroot" \
        -E "LD_PRELOAD=$host/arm64-v8a/libc.so" -E "LD_LIBRARY_PATH=$host/arm64-v8a:/lib" "$host/arm64-v8a/c_api"
fi
echo "$host"
