# The one task runner: CI calls these recipes, through e2e/scripts/test.sh, which installs what they need first.
set shell := ["bash", "-euo", "pipefail", "-c"]

default:
    @just --list

# Formatting, lints, dependency rules and docs; clippy and doc share one check pass.
lint:
    cargo fmt --all --check
    cargo deny --locked check --hide-inclusion-graph bans licenses sources
    cargo clippy --locked --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

# Everything that the tests run, in the one debug-like build.
build:
    cargo build --locked --workspace --bins
    cargo nextest run --locked --workspace --no-run

# Every test: crates, fleet, conformance. Arguments go to the runner (`just test -E 'test(conformance)'`).
test *args:
    cargo nextest run --locked --workspace {{args}}
