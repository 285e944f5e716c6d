#!/usr/bin/env bash
# Draws docs/*.svg, the README's pictures, from the shapes that the phone draws. Needs what check-linux.sh needs.
set -euo pipefail
demo=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$demo/docs"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
FER_SCREENS=1 "$demo/check-linux.sh" > "$log" 2>&1 || { tail -20 "$log" >&2; exit 1; }
for name in running disagreeing; do
    sed -n "s/^SVG $name: //p" "$log" > "$demo/docs/$name.svg"
    [ -s "$demo/docs/$name.svg" ] || { echo "draw-screens.sh: no picture '$name' in the tests' output" >&2; exit 1; }
done
