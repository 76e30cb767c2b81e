# The one task runner: CI calls these recipes, through e2e/scripts/test.sh, which installs what they need first.
set shell := ["bash", "-euo", "pipefail", "-c"]

default:
    @just --list

# Formatting, dependency rules, lints and docs.
lint: format rules clippy doc

format:
    cargo fmt --all --check

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

# Everything that the tests run, in the one debug-like build.
build:
    cargo build --locked --workspace --bins
    cargo nextest run --locked --workspace --no-run

# Every test: crates, fleet, conformance. Arguments go to the runner (`just test -E 'test(conformance)'`).
test *args:
    cargo nextest run --locked --workspace {{args}}

# The benchmark beside Envoy, with figures: only a release build on a quiet machine says anything.
bench *args:
    cargo build --locked --release --bin ringway
    RINGWAY_BIN="${CARGO_TARGET_DIR:-target}/release/ringway" cargo run --locked --release -p ringway-e2e --bin ringway-bench -- {{args}}

# Every case for one second on the debug-like build: answers are checked, no figure is judged.
bench-smoke:
    cargo run --locked -p ringway-e2e --bin ringway-bench -- --smoke --without ringway
