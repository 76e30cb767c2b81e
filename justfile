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
