#!/usr/bin/env bash
# Builds and tests the Swift package on Debian or Ubuntu, and typechecks the app against stub modules.
#
#   ios_demo/check-linux.sh            # about 2 minutes the first time is the toolchain: 2.7 GB in the cache
#   FER_PLAY=1 ios_demo/check-linux.sh # leaves the package's tests out: the app alone, against the stubs
#
# The toolchain is Debian trixie's swiftlang (Swift 6.0) in a chroot. Needs: mmdebstrap, unshare (util-linux), and
# root or unprivileged user namespaces. Nothing is installed on the system; the cache is
# ${FER_TOOLCHAIN:-~/.cache/fer-deploy}; delete it when you are done.
# FER_VECTOR_FILE names another vector file, for a wider check of the preprocessing.
set -euo pipefail

demo=$(cd "$(dirname "$0")" && pwd)
repository=$(dirname "$demo")
cache=${FER_TOOLCHAIN:-${XDG_CACHE_HOME:-$HOME/.cache}/fer-deploy}
root=$cache/swift-trixie
packages=swiftlang,libc6-dev,libstdc++-14-dev,gcc,binutils

for tool in mmdebstrap unshare; do
    command -v "$tool" >/dev/null || { echo "check-linux.sh: needs $tool: apt-get install mmdebstrap util-linux" >&2; exit 2; }
done

# swift is an absolute link, which leads nowhere outside the chroot.
if [ ! -L "$root/usr/bin/swift" ]; then
    echo "check-linux.sh: making the Swift toolchain in $root" >&2
    mkdir -p "$cache"
    # An interrupted mmdebstrap may have left /proc, /sys and /dev mounted in there.
    rm -rf --one-file-system "$root.partial"
    mmdebstrap --quiet --variant=minbase --include="$packages" trixie "$root.partial"
    mv "$root.partial" "$root"
fi

mkdir -p "$root/repository" "$root/build" "$root/vectors"
# Only the mount namespace of this process sees the mounts below; they vanish with it.
as_root=$([ "$(id -u)" = 0 ] || echo --map-root-user)
# shellcheck disable=SC2086
exec unshare $as_root --mount --pid --fork bash -euo pipefail -s "$root" "$repository" "${FER_VECTOR_FILE:-}" "${FER_PLAY:+build}" <<'INSIDE'
root=$1 repository=$2 vectors=$3
action=${4:-test}
mount --bind "$repository" "$root/repository"
mount -o remount,bind,ro "$root/repository"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
environment=(HOME=/root PATH=/usr/bin:/bin LANG=C.UTF-8 ${FER_SCREENS:+FER_SCREENS=1})
if [ -n "$vectors" ]; then
    mount --bind "$(dirname "$vectors")" "$root/vectors"
    environment+=("FER_VECTOR_FILE=/vectors/$(basename "$vectors")")
fi
run() { chroot "$root" env -i "${environment[@]}" "$@"; }
run swift --version 2>&1 | head -1
run swift "$action" --package-path /repository/ios_demo/Core --scratch-path /build -Xswiftc -warnings-as-errors
# The stubs, as modules to check against and as objects to play with.
rm -rf "$root/build/stubs" "$root/build/play"
mkdir -p "$root/build/stubs" "$root/build/play"
for module in CoreGraphics CoreML AVFoundation Vision SwiftUI UIKit Darwin; do
    run swiftc -swift-version 5 -parse-as-library -emit-module -emit-object -module-name "$module" -I /build/stubs \
        -emit-module-path "/build/stubs/$module.swiftmodule" -o "/build/stubs/$module.o" \
        "/repository/ios_demo/stubs/$module.swift"
done
modules="-I /build/stubs -I /build/debug/Modules"
# As the project builds it; and by the stricter rules of Swift 6, which find what is used on two threads.
for version in 5 6; do
    run bash -c "swiftc -swift-version $version -typecheck -warnings-as-errors $modules /repository/ios_demo/App/*.swift"
done
echo "the app typechecks against the stub modules"
# Swift 6.0's libswiftObservation.so on Linux lacks a function that it calls only to end a program.
run bash -c "swiftc -swift-version 5 $modules -module-name play -o /build/play/play \
    -Xlinker --unresolved-symbols=ignore-in-shared-libs \
    \$(ls /repository/ios_demo/App/*.swift | grep -v FerDemoApp) /repository/ios_demo/play/main.swift \
    /build/stubs/*.o /build/debug/FerDemoCore.build/*.swift.o"
vectors=/repository/tests/apps/vectors/artifact
environment=(HOME=/build/play/home "${environment[@]:1}") # for the caches; Documents are in the chroot's /root
mkdir -p "$root/build/play/home" "$root/root/Documents"
play() { run timeout 60 /build/play/play "$@"; }
job() { play "$vectors" -benchmark job -protocol '{"min_runs": 3, "min_seconds": 0}' -units "$1"; }
play nothing
play "$vectors"
job cpuOnly
run grep -q '"error" : null' /root/Documents/timing.json
if job gpu; then exit 1; fi
run grep -q '"error" : "-units must be one of' /root/Documents/timing.json
echo "the app plays on the stub modules"
INSIDE
