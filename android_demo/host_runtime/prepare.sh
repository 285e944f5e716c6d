#!/usr/bin/env bash
# Makes Android's own ONNX Runtime, as it is in the app's AAR, run on this x86_64 computer.
#
#   android_demo/build-apk.sh check && android_demo/host_runtime/prepare.sh
#
# Leaves in build/host:
#   run JOB RESULTS PROTOCOL     the app's benchmark: its Kotlin, the AAR's Java, JNI and native libraries
#   c_api MODEL INPUTS LOGITS CLASSES C,H,W     the native library alone
# What is not Android's is libc: a copy of the library without symbol versions takes glibc's functions by their names,
# and bionic_shim.c those that glibc lacks. So this shows what the library computes, not how fast a phone is.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${FER_TOOLCHAIN:-${XDG_CACHE_HOME:-$HOME/.cache}/fer-deploy}/android
build=${BUILD_DIR:-$(dirname "$here")/build}
host=$build/host

fail() { echo "prepare.sh: $*" >&2; exit 2; }
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

rm -rf "$host"
mkdir -p "$host/native" "$host/classes"
gcc -O2 -shared -fPIC -Wl,-soname,libc.so -o "$host/native/libc.so" "$here/bionic_shim.c" -ldl
for name in libm libdl liblog libandroid; do # empty: their functions are in the shim and in glibc
    echo | gcc -shared -Wl,-soname,$name.so -o "$host/native/$name.so" -x c -
done
for library in "$aar"/jni/x86_64/*.so; do
    python3 "$here/strip_versions.py" "$library" "$host/native/$(basename "$library")"
done
gcc -O2 -Wall -I "$aar/headers" -o "$host/c_api.bin" "$here/c_api.c" -Wl,--no-as-needed -lm
javac -d "$host/classes" -cp "$build/core.jar:$build/app.jar:$kotlin" "$here/RunJob.java"

launch() { # NAME COMMAND...: a script that runs it with the shim for a libc
    printf '#!/bin/sh\nLD_PRELOAD=%q LD_LIBRARY_PATH=%q exec %s "$@"\n' "$host/native/libc.so" "$host/native" "${*:2}" > "$host/$1"
    chmod +x "$host/$1"
}
launch c_api "$(printf %q "$host/c_api.bin")"
launch run "$(printf '%q ' java "-Donnxruntime.native.path=$host/native" \
    -cp "$host/classes:$build/core.jar:$build/app.jar:$aar/classes.jar:$kotlin:$json" RunJob)"
echo "$host"
