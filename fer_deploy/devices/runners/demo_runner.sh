# Has the Android demo run one artifact. Started by fer-deploy as
#   sh demo_runner.sh PROTOCOL
# in its folder on the phone, which holds artifact.json, golden.json, the model file and inputs.f32. PROTOCOL is the
# JSON of a TimingProtocol, or empty for logits only. Leaves logits.f32 and result.json beside them, as every runner
# does. Exit codes: 0 done, 3 the demo failed; the last line of stderr says why.
set -u
app=org.ferdeploy.demo
results=/sdcard/Android/data/$app/files/run

fail() {
    echo "the Android demo $1" >&2
    exit 3
}

chmod -R a+rX . # an app may read here what everybody may
rm -rf "$results"
# -S ends the app first: a fresh process. `am` says "Error ..." and, on most releases, exits with 0 all the same.
said=$(am start -S -W -n "$app/.BenchmarkActivity" --es protocol "$1" 2>&1) || fail "cannot be started: $said"
case $said in *Error* | *Exception*) fail "cannot be started: $(echo "$said" | grep -e Error -e Exception | head -n 1)" ;; esac

until [ -e "$results/result.json" ] || [ -e "$results/error.txt" ]; do
    if ! pidof "$app:benchmark" > /dev/null; then
        sleep 1 # its last act is to write
        [ -e "$results/result.json" ] || [ -e "$results/error.txt" ] || fail "ended without a result"
        break
    fi
    sleep 1
done
[ ! -e "$results/error.txt" ] || fail "says: $(cat "$results/error.txt")"
cp "$results/logits.f32" "$results/result.json" . || fail "left results that cannot be read"
