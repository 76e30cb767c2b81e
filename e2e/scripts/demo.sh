#!/usr/bin/env bash
# The first command of the README as a newcomer runs it: `cargo run -- demo`, with a deadline; then the URL that it prints, pasted into SDK clients
# of both eras; then Ctrl-C.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$ROOT"
minutes=${1:-6}
python=$RINGWAY_CACHE/fleet/mcp2/bin/python
output=$(mktemp)
cargo run --locked -- demo >"$output" 2>&1 </dev/null &
demo=$!
trap 'kill $demo 2>/dev/null; rm -f "$output"' EXIT

fail() {
  echo "FAIL $1" >&2
  cat "$output" >&2
  exit 1
}

deadline=$((SECONDS + minutes * 60)) url=
until [ -n "$url" ]; do
  kill -0 $demo 2>/dev/null || fail "the demo ended before it printed a URL"
  [ $SECONDS -lt $deadline ] || fail "no URL within $minutes minutes"
  # The URL for clients is the one in the snippet.
  url=$(sed -nE 's/.*"url": *"(http[^"]+)".*/\1/p' "$output" | head -n 1)
  sleep 0.2
done
cat "$output"
echo "-- $url pasted into an SDK client"
timeout 60 "$python" e2e/clients/pasted_url.py "$url" --mode auto || fail "the pasted URL, as the client chooses"
timeout 60 "$python" e2e/clients/pasted_url.py "$url" --mode legacy || fail "the pasted URL, in the legacy era"
# `cargo run` passes Ctrl-C on by ending with its group; here the program itself gets it.
program=$(pgrep -P $demo -x ringway || echo $demo)
kill -INT "$program"
wait $demo
status=$?
[ $status -eq 0 ] || fail "the demo ended with $status after Ctrl-C"
timeout 60 cargo run --locked -- demo --once >"$output" 2>&1 </dev/null || fail "demo --once"
echo "ok"
