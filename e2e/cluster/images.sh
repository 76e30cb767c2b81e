#!/usr/bin/env bash
# Packs images without a daemon.
#   images.sh cluster OUT BIN   what the local cluster needs: the pause container and DNS
#   images.sh ringway OUT       ours, as the final stages of the Dockerfile say, from the debug build: ringway/{operator,dataplane,cli} with this version
#                               as tag, as charts and manifests name them, and the same as `next`, which a test can upgrade to
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
what=${1:?cluster or ringway} out=${2:?the folder for the archives}
root=$here/../..
mkdir -p "$out"
case $what in
  cluster)
    bin=${3:?the folder of the programs}
    for name in pause coredns; do
      [ "$out/$name.tar" -nt "$bin/$name" ] || "$here/image.py" files "$out/$name.tar" "ringway.test/$name:1" "$bin/$name=/$name"
    done
    ;;
  ringway)
    cd "$root"
    target=${CARGO_TARGET_DIR:-target}/debug
    # The build of the tests (`just build`), so that nothing is compiled a second time.
    cargo test --quiet --locked --workspace --no-run
    for name in ringway-operator:operator ringway-dataplane:dataplane ringway:cli; do
      # Linked again without a wrapper since: make cargo run the compiler for it.
      [ "$target/static/${name%:*}" -nt "$target/${name%:*}" ] || touch "${name#*:}/src/main.rs"
    done
    RUSTC_WRAPPER=$here/also-static.sh cargo test --quiet --locked --workspace --no-run
    mkdir -p "$out/bin"
    for name in ringway-operator ringway-dataplane ringway; do
      cmp --silent "$target/static/$name" "$out/bin/$name" || cp "$target/static/$name" "$out/bin/$name"
    done
    version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
    for tag in "$version" next; do
      [ "$out/$tag.tar" -nt "$out/bin/ringway-operator" ] && [ "$out/$tag.tar" -nt "$out/bin/ringway-dataplane" ] &&
        [ "$out/$tag.tar" -nt "$out/bin/ringway" ] && [ "$out/$tag.tar" -nt Dockerfile ] && continue
      "$here/image.py" dockerfile "$out/$tag.tar" Dockerfile --root "build:/out=$out/bin" --root build:/etc/ssl/certs=/etc/ssl/certs \
        --label "dev.ringway.test=$tag" $(for name in operator dataplane cli; do echo --image "$name=ringway/$name:$tag"; done)
    done
    ;;
  *) echo "images.sh: $what: cluster or ringway" >&2 && exit 2 ;;
esac
