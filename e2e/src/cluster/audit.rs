//! The audit log of the API server (`e2e/cluster/audit.yaml`): what the install asked for over all that the tests did.

use std::path::Path;
use std::{env, fs};

use anyhow::{Context, Result};
use serde_json::Value;

/// Every event, oldest first. A log that grew too long was renamed; the last line may be half written.
pub fn events() -> Result<Vec<Value>> {
    let path = env::var("RINGWAY_CLUSTER_AUDIT").context("RINGWAY_CLUSTER_AUDIT: set by `cluster.sh exec`")?;
    let path = Path::new(&path);
    let folder = path.parent().context("a folder of the audit log")?;
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let file = entry?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("audit-") && name.ends_with(".log") {
            files.push(file);
        }
    }
    // By the time in their names.
    files.sort();
    files.push(path.to_owned());
    let mut events = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| format!("the audit log {}", file.display()))?;
        events.extend(text.lines().filter_map(|line| serde_json::from_str(line).ok()));
    }
    Ok(events)
}
