#!/bin/sh
# A pretended phone: a real adbd on a root of its own, whose Android tools are shims. Runs as
#   unshare -m -p -f --mount-proc --kill-child sh adb_phone.sh CACHE SCRATCH PORT STORAGE MODEL MACHINE
# inside a network namespace (see conftest.py). STORAGE is the size of /data/local/tmp, MACHINE what uname -m
# says; both are what the planted faults need.
set -eu
cache=$1 scratch=$2 port=$3 storage=$4 model=$5 machine=$6
root=$scratch/root
mkdir -p "$root"
mount -t tmpfs tmpfs "$root"
for entry in /*; do
    name=$(basename "$entry")
    case $name in data | system) continue ;; esac
    if [ -L "$entry" ]; then
        ln -s "$(readlink "$entry")" "$root/$name"
    elif [ -d "$entry" ]; then
        mkdir "$root/$name"
        mount --rbind "$entry" "$root/$name"
    fi
done
mkdir -p "$root/data/local/tmp" "$root/system/bin"
mount -t tmpfs -o "size=$storage" tmpfs "$root/data/local/tmp"

shim() {
    cat > "$root/system/bin/$1"
    chmod +x "$root/system/bin/$1"
}
shim getprop <<SHIM
#!/bin/sh
case "\$1" in
    ro.product.model) echo "$model" ;;
    ro.product.manufacturer) echo Pretended ;;
    *) echo ;;
esac
SHIM
shim uname <<SHIM
#!/bin/sh
[ "\${1-}" = -m ] && echo "$machine" || exec /usr/bin/uname "\$@"
SHIM
shim dumpsys <<'SHIM'
#!/bin/sh
case "$1" in
    battery) printf 'Current Battery Service state:\n  AC powered: false\n  USB powered: true\n  level: 81\n  temperature: 312\n' ;;
    thermalservice) printf 'IsStatusOverride: false\nThermal Status: 0\n' ;;
esac
SHIM
shim settings <<'SHIM'
#!/bin/sh
echo 1
SHIM
exec env "ADBD_PORT=$port" PATH=/system/bin:/usr/local/bin:/usr/bin:/bin \
    "$(command -v chroot || echo /usr/sbin/chroot)" "$root" "$cache/adb/bin/adbd"
