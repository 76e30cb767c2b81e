#!/usr/bin/env bash
# Installs what the tests need and runs them all: lints, crate tests, real servers and clients, conformance, a Kubernetes cluster, and the short form
# of what has a long one. Works without a terminal, as root or not (then sudo is asked for Debian packages and for the cluster's namespaces).
# RINGWAY_CACHE says where installs and the build go, RINGWAY_CLUSTER whose cluster it is (e2e/cluster/cluster.sh). Exit 0 only when everything passed; the last line is the test runner's own summary.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$ROOT"
mkdir -p "$RINGWAY_CACHE/log"
table=() failed=()

# part NAME COMMAND...: runs it, notes its minutes, goes on when it failed.
part() {
  local name=$1 start=$SECONDS verdict=ok
  shift
  printf '\n== %s: %s\n' "$name" "$*"
  "$@" </dev/null || { verdict=FAILED; failed+=("$name"); }
  table+=("$(printf '%-12s %4d:%02d  %s' "$name" $(((SECONDS - start) / 60)) $(((SECONDS - start) % 60)) "$verdict")")
}

# The cluster does not outlive this script, also when it is killed (`--owner`); it says nothing after the summary.
is_up=
cluster_up() { is_up=1 && e2e/cluster/cluster.sh up --owner $$; }
cluster_down() { [ -z "$is_up" ] || e2e/cluster/cluster.sh down >/dev/null; }

finish() {
  cluster_down || failed+=(cluster-down)
  printf '\nminutes by part\n'
  printf '  %s\n' "${table[@]}"
  [ ${#failed[@]} -eq 0 ] || printf 'FAILED: %s\n' "${failed[*]}"
  # The runner's own words once more, so that they are the last thing on the screen.
  grep -E '^ +Summary \[' "$RINGWAY_CACHE/log/test.log" 2>/dev/null | tail -n 1
  [ ${#failed[@]} -eq 0 ] || exit 1
  exit 0
}

# In one run of the runner, and so from within the cluster's network.
run_tests() { e2e/cluster/cluster.sh exec just test --ignore-default-filter 2>&1 | tee "$RINGWAY_CACHE/log/test.log"; }

rm -f "$RINGWAY_CACHE/log/test.log"
part tools e2e/scripts/install.sh tools
[ ${#failed[@]} -eq 0 ] || finish
# The rest of the installs waits for the network, the build for the processor: side by side.
e2e/scripts/install.sh system fleet conformance servers cluster &
installs=$!
part build just build
part installs wait "$installs"
[ ${#failed[@]} -eq 0 ] || finish
for step in format rules clippy doc; do part "$step" just "$step"; done
part fuzz just fuzz-smoke
part demo just demo
part bench just bench-smoke
part cluster cluster_up
part test run_tests
finish
