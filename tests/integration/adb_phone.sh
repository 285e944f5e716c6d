#!/bin/sh
# A pretended phone: a real adbd on a root of its own, whose Android tools are shims. Runs as
#   unshare -m -p -f --mount-proc --kill-child sh adb_phone.sh CACHE SCRATCH PORT STORAGE MODEL MACHINE DEMO
# inside a network namespace (see conftest.py). STORAGE is the size of /data/local/tmp, MACHINE what uname -m
# says; both are what the planted faults need. DEMO is a bash script that plays the Android demo's benchmark
# activity, called with the folder of the job, the folder for results and the protocol; empty: not installed.
set -eu
cache=$1 scratch=$2 port=$3 storage=$4 model=$5 machine=$6 demo=$7
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
mkdir -p "$root/data/local/tmp" "$root/system/bin" "$root/sdcard/Android/data"
mount -t tmpfs -o "size=$storage" tmpfs "$root/data/local/tmp"

shim() {
    cat > "$root/system/bin/$1"
    chmod +x "$root/system/bin/$1"
}
shim getprop <<SHIM
#!/bin/sh
case "\$1" in
    ro.product.model) echo "$model" ;;
    ro.product.manufacturer) echo Google ;;
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
shim pm <<SHIM
#!/bin/sh
# As Android's: prints where an installed package lies, and fails for others.
[ "\$*" = "path org.ferdeploy.demo" ] && [ -n "$demo" ] && echo "package:/data/app/demo/base.apk"
SHIM
shim am <<'SHIM'
#!/bin/bash
# The two things that the transport asks of Android's ActivityManager, with its words and its exit code 0.
app=org.ferdeploy.demo
stop() { for pid in $(pidof "$app:benchmark"); do kill -9 -- "-$pid"; done; }
case $1 in
    force-stop) [ "$2" = "$app" ] && stop; exit 0 ;;
    start) shift ;;
    *) echo "Unknown command: $1"; exit 1 ;;
esac
component='' protocol=''
while [ $# -gt 0 ]; do
    case $1 in
        -S) stop; shift ;;
        -W) shift ;;
        -n) component=$2; shift 2 ;;
        --es) [ "$2" = protocol ] && protocol=$3; shift 3 ;;
        *) echo "Error: Unknown option: $1"; exit 0 ;;
    esac
done
echo "Starting: Intent { cmp=$component (has extras) }"
if [ "$component" != "$app/.BenchmarkActivity" ]; then
    echo "Error type 3"
    echo "Error: Activity class {$component} does not exist."
    exit 0
fi
files=/sdcard/Android/data/$app/files
mkdir -p "$files"
job=/data/local/tmp/fer-deploy-run
[ "$(stat -c %a "$job")" = 755 ] || job=/no-app-may-read-this
setsid bash -c 'exec -a org.ferdeploy.demo:benchmark bash "$@"' - "$DEMO" "$job" "$files/run" "$protocol" \
    < /dev/null > /dev/null 2>&1 &
while ! pidof "$app:benchmark" > /dev/null && [ ! -d "$files/run" ] && kill -0 $! 2> /dev/null; do sleep 0.02; done
echo "Status: ok"
echo Complete
SHIM
exec env "ADBD_PORT=$port" "DEMO=$demo" PATH=/system/bin:/usr/local/bin:/usr/bin:/bin \
    "$(command -v chroot || echo /usr/sbin/chroot)" "$root" "$cache/adb/bin/adbd"
