#!/usr/bin/env bash
# Makes what the tests print into docs/: *.svg, the README's pictures, from the shapes that the phone draws, and
# timing-example.json, a file of the benchmark job's own. Needs what check-linux.sh needs.
set -euo pipefail
demo=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$demo/docs"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
FER_SCREENS=1 "$demo/check-linux.sh" > "$log" 2>&1 || { tail -20 "$log" >&2; exit 1; }
for name in running disagreeing failed; do
    sed -n "s/^SVG $name: //p" "$log" > "$demo/docs/$name.svg"
    [ -s "$demo/docs/$name.svg" ] || { echo "draw-screens.sh: no picture '$name' in the tests' output" >&2; exit 1; }
done
sed -n '/^TIMING EXAMPLE BEGINS$/,/^TIMING EXAMPLE ENDS$/{//!p}' "$log" > "$demo/docs/timing-example.json"
[ -s "$demo/docs/timing-example.json" ] || { echo "draw-screens.sh: no timing example in the tests' output" >&2; exit 1; }
