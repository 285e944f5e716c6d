#!/usr/bin/env bash
# Makes the app's LiteRTEngine run on this x86_64 computer: leaves build/host/run_litert JOB RESULTS PROTOCOL.
#
#   android_demo/build-apk.sh check && android_demo/host_runtime/prepare_litert.sh
#
# LiteRT's AAR is on Google's Maven alone. What runs here is the app's Kotlin; a stand-in for LiteRT's Java (litert/); and
# behind it LiteRT's own interpreter for Linux of the AAR's line, 1.4, from PyPI. So this shows what the app asks of
# LiteRT and what that line computes on x86_64: not the AAR's Java and JNI, and not a phone's kernels.
set -euo pipefail
LITERT=1.4.0  # PyPI ai-edge-litert: the last of the line; the AAR's 1.4.1 and 1.4.2 are not there
here=$(cd "$(dirname "$0")" && pwd)
cache=${FER_TOOLCHAIN:-${XDG_CACHE_HOME:-$HOME/.cache}/fer-deploy}/android
build=${BUILD_DIR:-$(dirname "$here")/build}
host=$build/host

fail() { echo "prepare_litert.sh: $*" >&2; exit 2; }
[ -f "$build/app.jar" ] || fail "no $build/app.jar: run android_demo/build-apk.sh check first"
command -v python3 > /dev/null || fail "needs python3, of a version that ai-edge-litert $LITERT has a wheel for"
kotlin=$(compgen -G "$cache/kotlin-*" | sort -V | tail -n 1)/lib/kotlin-stdlib.jar
json=$(compgen -G "$cache/debian-*" | sort -V | tail -n 1)/usr/share/java/com.android.json.jar

runtime=$cache/litert-$LITERT-$(python3 -c 'import sys; print(sys.implementation.cache_tag)')
if [ ! -d "$runtime" ]; then
    echo "prepare_litert.sh: fetching ai-edge-litert $LITERT" >&2
    rm -rf "$runtime.partial"
    mkdir -p "$runtime.partial/wheels"
    (
        cd "$runtime.partial"
        python3 -m pip download --quiet --only-binary :all: --dest wheels "ai-edge-litert==$LITERT"
        for wheel in wheels/*.whl; do python3 -m zipfile -e "$wheel" .; done
        rm -r wheels
    ) >&2 || fail "ai-edge-litert $LITERT cannot be fetched from PyPI for $(python3 --version)"
    mv "$runtime.partial" "$runtime"
fi

mkdir -p "$host/litert"
path=$build/litert.jar:$build/core.jar:$build/app.jar:$kotlin:$json
javac -d "$host/litert" -cp "$path" "$here/RunLiteRTJob.java"
printf '#!/bin/sh\nexec %s "$@"\n' "$(printf '%q ' env "PYTHONPATH=$runtime" \
    java "-Dlitert.version=$LITERT for Linux" "-Dlitert.python=$(command -v python3)" \
    "-Dlitert.interpreter=$here/litert/interpreter.py" -cp "$host/litert:$path" RunLiteRTJob)" > "$host/run_litert"
chmod +x "$host/run_litert"
echo "$host"
