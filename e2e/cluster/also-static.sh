#!/usr/bin/env bash
# A RUSTC_WRAPPER for images.sh: compiles as it is told, and links the binaries of the images a second time, without a need for any library, into
# `static` beside them. Cargo knows nothing of it, so nothing is compiled twice: neither for other features nor for other flags.
set -euo pipefail
"$@"
name= is_bin= out=
arguments=("$@")
for ((at = 0; at < ${#arguments[@]}; at++)); do
  case ${arguments[at]} in
    --crate-name) name=${arguments[at + 1]} ;;
    --crate-type) [ "${arguments[at + 1]}" != bin ] || is_bin=1 ;;
    --out-dir) out=${arguments[at + 1]} ;;
    --test) exit ;;
  esac
done
case $is_bin$name in
  1ringway_operator | 1ringway_dataplane | 1ringway) ;;
  *) exit 0 ;;
esac
static=$(dirname "$out")/static # out: target/debug/deps
mkdir -p "$static"
draft=$(mktemp -d "$static/.draft.XXXX")
trap 'rm -rf "$draft"' EXIT
for ((at = 0; at < ${#arguments[@]}; at++)); do
  [ "${arguments[at]}" != --out-dir ] || arguments[at + 1]=$draft
done
# What the first run said of warnings is enough.
"${arguments[@]}" -C target-feature=+crt-static -C strip=debuginfo 2>"$draft/said" || { cat "$draft/said" >&2; exit 1; }
find "$draft" -name "$name-*" -type f -executable -exec mv {} "$static/${name//_/-}" \;
