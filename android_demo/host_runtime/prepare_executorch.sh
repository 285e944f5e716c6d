#!/usr/bin/env bash
# The same as prepare.sh, which must have run, for ExecuTorch: leaves build/host/run_executorch JOB RESULTS PROTOCOL.
#
# Android's libexecutorch.so is react-native-executorch's, which is older than the release whose programs fer-deploy
# writes; libfbjni.so and libc++_shared.so, which it needs, are React Native's (both from npm, 0.2 GB the first time).
# The Java halves of fbjni and SoLoader are on Maven Central alone: fbjni/ has stand-ins for what is used of them. So
# this runs the app's ExecuTorchEngine and Android's native code, and not the version that the Gradle project takes.
set -euo pipefail
EXECUTORCH=0.8.5      # npm react-native-executorch, as in build-apk.sh
REACT_NATIVE=0.70.15  # npm react-native: the last line that brought its AAR along
here=$(cd "$(dirname "$0")" && pwd)
cache=${FER_TOOLCHAIN:-${XDG_CACHE_HOME:-$HOME/.cache}/fer-deploy}/android
build=${BUILD_DIR:-$(dirname "$here")/build}
host=$build/host

fail() { echo "prepare_executorch.sh: $*" >&2; exit 2; }
[ -f "$host/x86_64/libc.so" ] || fail "no $host/x86_64/libc.so: run prepare.sh first"
kotlin=$(compgen -G "$cache/kotlin-*" | sort -V | tail -n 1)/lib/kotlin-stdlib.jar
json=$(compgen -G "$cache/debian-*" | sort -V | tail -n 1)/usr/share/java/com.android.json.jar
classes=$cache/executorch-$EXECUTORCH/android/libs/classes.jar

natives=$cache/executorch-natives-$EXECUTORCH
if [ ! -d "$natives" ]; then
    rm -rf "$natives.partial"
    mkdir -p "$natives.partial"
    (
        cd "$natives.partial"
        library=third-party/android/libs/executorch/x86_64/libexecutorch.so
        npm pack --silent "react-native-executorch@$EXECUTORCH" > /dev/null
        tar -xzf react-native-executorch-*.tgz --strip-components=6 "package/$library"
        aar=package/android/com/facebook/react/react-native/$REACT_NATIVE/react-native-$REACT_NATIVE-release.aar
        npm pack --silent "react-native@$REACT_NATIVE" > /dev/null
        tar -xzf "react-native-$REACT_NATIVE.tgz" --to-stdout "$aar" > react-native.aar
        python3 -c 'import sys, zipfile
with zipfile.ZipFile("react-native.aar") as aar:
    for name in ("libfbjni.so", "libc++_shared.so"):
        open(name, "wb").write(aar.read(f"jni/x86_64/{name}"))'
        rm ./*.tgz react-native.aar
    ) || fail "the libraries cannot be fetched from npm"
    mv "$natives.partial" "$natives"
fi

for library in "$natives"/*.so; do
    python3 "$here/strip_versions.py" "$library" "$host/x86_64/$(basename "$library")"
done
mkdir -p "$host/executorch"
path=$build/core.jar:$build/app.jar:$classes:$kotlin:$json
find "$here/fbjni" -name '*.java' -exec javac -nowarn -d "$host/executorch" -cp "$path" "$here/RunExecuTorchJob.java" {} +
# Its own C++ library before the one that the JVM brings: exceptions of the two do not know each other.
printf '#!/bin/sh\nexec %s "$@"\n' "$(printf '%q ' env \
    "LD_PRELOAD=$host/x86_64/libc.so $host/x86_64/libc++_shared.so" "LD_LIBRARY_PATH=$host/x86_64" \
    java "-Dexecutorch.version=react-native-executorch $EXECUTORCH" "-Djava.library.path=$host/x86_64" \
    -cp "$host/executorch:$path" RunExecuTorchJob)" > "$host/run_executorch"
chmod +x "$host/run_executorch"
echo "$host"
