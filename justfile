# The one task runner: CI calls these recipes, through e2e/scripts/test.sh, which installs what they need first.
set shell := ["bash", "-euo", "pipefail", "-c"]
# "$@": an argument with spaces stays one.
set positional-arguments := true

export RINGWAY_CACHE := env("RINGWAY_CACHE", env("HOME") / ".cache/ringway")

default:
    @just --list

# Formatting, dependency rules, lints and docs.
lint: format rules clippy doc

format:
    cargo fmt --all --check
    cargo fmt --manifest-path fuzz/Cargo.toml --check

# Licences, sources, and what may not come in (advisories need the network: `just advisories`).
rules:
    cargo deny --locked check --hide-inclusion-graph bans licenses sources

advisories:
    cargo deny --locked check advisories

clippy:
    cargo clippy --locked --workspace --all-targets -- -D warnings

# Shares the check pass of the dependencies with clippy.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

# Everything that the tests run, in the one debug-like build: with the tests of cli/ and e2e/ come the binaries.
build:
    cargo nextest run --locked --workspace --no-run

# Every test but those in a cluster: crates, fleet, conformance. Arguments go to the runner (`just test -E 'test(conformance)'`).
test *args:
    cargo nextest run --locked --workspace "$@"

# The tests in a Kubernetes cluster, on one that stands only for them. RINGWAY_CLUSTER=kind takes kind's; the default needs root or sudo, no Docker.
kubernetes *args:
    #!/usr/bin/env bash
    set -euo pipefail
    e2e/cluster/cluster.sh up --owner $$
    trap 'e2e/cluster/cluster.sh down' EXIT
    e2e/cluster/cluster.sh exec cargo nextest run --locked -p ringway-e2e --ignore-default-filter --test kubernetes "$@"

# The same on three nodes, with what only they can show: crashes of operators and nodes, scaling under load; and Flux's controller; then scale.
kubernetes-full *args:
    #!/usr/bin/env bash
    set -euo pipefail
    RINGWAY_FLUX=$(e2e/cluster/build.sh flux)
    export RINGWAY_FLUX
    e2e/cluster/cluster.sh up 3 --owner $$
    trap 'e2e/cluster/cluster.sh down' EXIT
    e2e/cluster/cluster.sh exec cargo nextest run --locked -p ringway-e2e --ignore-default-filter --test kubernetes --run-ignored all "$@"
    just kubernetes-scale

# 10,000 routes and 200 pods, most of which serve nothing, on one operator at a real API server: that all comes to be Ready and the operator's memory are
# judged, the other figures printed.
kubernetes-scale *args: build
    #!/usr/bin/env bash
    set -euo pipefail
    e2e/cluster/cluster.sh up 0 --owner $$
    trap 'e2e/cluster/cluster.sh down' EXIT
    e2e/cluster/cluster.sh exec "${CARGO_TARGET_DIR:-target}/debug/ringway-bench-control" --routes 1000,10000 --pods 1 --fake-pods 199 --changes 20 "$@"

# A cluster to try things in, until `just cluster-down`: `e2e/cluster/cluster.sh exec kubectl get nodes`, `just cluster-test`.
cluster-up nodes="1":
    e2e/cluster/cluster.sh up {{nodes}}

cluster-down:
    e2e/cluster/cluster.sh down

# The tests of `just kubernetes` on the cluster of `just cluster-up`.
cluster-test *args:
    e2e/cluster/cluster.sh exec cargo nextest run --locked -p ringway-e2e --ignore-default-filter --test kubernetes "$@"

# The benchmark beside Envoy, with figures: only a release build on a quiet machine says anything.
bench *args:
    cargo build --locked --release --bin ringway
    RINGWAY_BIN="${CARGO_TARGET_DIR:-target}/release/ringway" cargo run --locked --release -p ringway-e2e --bin ringway-bench -- "$@"

# Every case for one second on the debug-like build: answers are checked, no figure is judged.
bench-smoke: build
    "${CARGO_TARGET_DIR:-target}/debug/ringway-bench" --smoke

# Runs one fuzz target for some seconds, on the stable toolchain. New inputs go to the cache, not into the repository.
fuzz target seconds:
    mkdir -p "$RINGWAY_CACHE/fuzz/{{target}}" "$RINGWAY_CACHE/log"
    RUSTC_BOOTSTRAP=1 cargo fuzz run -s none {{target}} "$RINGWAY_CACHE/fuzz/{{target}}" fuzz/corpus/{{target}} -- -max_total_time={{seconds}} -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 >"$RINGWAY_CACHE/log/fuzz-{{target}}.log" 2>&1 || { tail -n 60 "$RINGWAY_CACHE/log/fuzz-{{target}}.log"; exit 1; }
    grep -E 'number_of_executed_units|average_exec_per_sec' "$RINGWAY_CACHE/log/fuzz-{{target}}.log" | sed 's/^stat::/{{target}} /'

# Every fuzz target for ten seconds.
fuzz-smoke:
    cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null
    for target in $(cargo fuzz list); do just fuzz "$target" 10; done

# `cargo run -- demo` as a newcomer runs it, and its URL pasted into SDK clients.
demo:
    e2e/scripts/demo.sh

# The control path with figures: apply to live in every pod, CPU, memory, bytes; in a cluster without nodes, release builds.
bench-control *args:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build --locked --release -p ringway -p ringway-operator -p ringway-dataplane -p ringway-e2e --bins
    e2e/cluster/cluster.sh up 0 --owner $$
    trap 'e2e/cluster/cluster.sh down' EXIT
    e2e/cluster/cluster.sh exec "${CARGO_TARGET_DIR:-target}/release/ringway-bench-control" "$@"
