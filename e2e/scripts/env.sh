# Sourced by every script here: where the repository, the cache and the shared material are, and the tools on PATH.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export RINGWAY_CACHE=${RINGWAY_CACHE:-$HOME/.cache/ringway}
export RINGWAY_SHARED=${RINGWAY_SHARED:-$ROOT/../shared}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$RINGWAY_CACHE/target}
export PATH=$RINGWAY_CACHE/tools/bin:$PATH
export PYTHONDONTWRITEBYTECODE=1 CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never} CARGO_INCREMENTAL=0 RUST_LIB_BACKTRACE=0
if [ ! -d "$RINGWAY_SHARED/fleet" ]; then
  echo "The fleet of real servers and clients is not at $RINGWAY_SHARED/fleet: put it there or set RINGWAY_SHARED." >&2
  exit 1
fi
