//! Where things are: the repository, the shared material, what `install.sh` installed, and the binary under test. Says what to do when one is missing.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// `shared/fleet`: beside the repository, or where `RINGWAY_SHARED` says.
pub fn shared_fleet() -> Result<PathBuf> {
    let shared = env::var_os("RINGWAY_SHARED").map_or_else(|| repository().join("../shared"), PathBuf::from);
    present(shared.join("fleet"), "put the shared material beside the repository or set RINGWAY_SHARED")
}

/// A file or folder under the cache that `e2e/scripts/install.sh` fills.
pub fn installed(path: &str) -> Result<PathBuf> {
    let cache = match env::var_os("RINGWAY_CACHE") {
        Some(cache) => PathBuf::from(cache),
        None => {
            PathBuf::from(env::var_os("HOME").context("neither RINGWAY_CACHE nor HOME is set")?).join(".cache/ringway")
        }
    };
    present(cache.join(path), "run e2e/scripts/install.sh")
}

/// A script of this crate's own under `e2e/clients`.
pub fn own_client(name: &str) -> Result<PathBuf> {
    present(repository().join("e2e/clients").join(name), "it belongs to the repository")
}

/// The `ringway` binary: `RINGWAY_BIN`, else the one built beside the running test or benchmark.
pub fn ringway() -> Result<PathBuf> {
    if let Some(path) = env::var_os("RINGWAY_BIN") {
        return present(PathBuf::from(path), "RINGWAY_BIN points at it");
    }
    // A test stands in target/PROFILE/deps, the benchmark in target/PROFILE.
    let running = env::current_exe().context("path of the running program")?;
    let beside = running.ancestors().skip(1).take(2).map(|folder| folder.join("ringway")).find(|path| path.is_file());
    beside.with_context(|| format!("no ringway beside {}: run `just build` or set RINGWAY_BIN", running.display()))
}

fn present(path: PathBuf, remedy: &str) -> Result<PathBuf> {
    ensure!(path.exists(), "{} is missing: {remedy}", path.display());
    Ok(path)
}
