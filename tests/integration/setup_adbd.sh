#!/bin/sh
# Puts a real adbd and adb of Debian trixie into CACHE/adb (30 MB), unpacked, with the libraries they need; nothing
# is installed. CACHE is FER_DEPLOY_CACHE or ~/.cache/fer-deploy. adbd listens on every interface without
# asking who calls: the tests start it in namespaces of its own (adb_lab.sh), never elsewhere.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${FER_DEPLOY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fer-deploy}
[ ! -x "$cache/adb/bin/adbd" ] || exit 0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
. "$here/private_apt.sh"
private_apt_init "$scratch/apt"
apt-get update -q
apt-get install -q -y --no-install-recommends --download-only adbd adb
for package in "$scratch"/apt/cache/archives/*.deb; do
    dpkg -x "$package" "$scratch/root"
done
mkdir -p "$cache"
rm -rf "$cache/adb"
mv "$scratch/root" "$cache/adb"
# Started through their own loader, so that this machine's older C library does not matter.
mkdir -p "$cache/adb/bin"
for name in adb adbd; do
    program=$(find "$cache/adb/usr" -type f -name "$name" -perm -u+x | head -n 1)
    libraries=$(find "$cache/adb/usr/lib" -type d -name android | head -n 1)
    gnu=$cache/adb/usr/lib/x86_64-linux-gnu
    cat > "$cache/adb/bin/$name" <<WRAPPER
#!/bin/sh
exec "$gnu/ld-linux-x86-64.so.2" --library-path "$gnu:$gnu/android:$libraries" "$program" "\$@"
WRAPPER
    chmod +x "$cache/adb/bin/$name"
done
