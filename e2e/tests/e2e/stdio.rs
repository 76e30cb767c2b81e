//! Real stdio servers behind one route: time, git, filesystem and memory, as an SDK client sees them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ringway_e2e::fleet;
use ringway_e2e::gateway::{Connections, Gateway};
use ringway_e2e::{places, script, yaml};

super::both_ways! {
    four_real_servers => super::four_real_servers,
}

fn four_real_servers(connections: Connections) -> Result<()> {
    let folder = tempfile::tempdir().context("a folder for the servers")?;
    std::fs::write(folder.path().join("note.txt"), "a note\n")?;
    repository(folder.path())?;
    let path = folder.path().to_string_lossy();
    let program = |name: &str| Ok::<_, anyhow::Error>(places::installed(name)?.to_string_lossy().into_owned());
    let node = |package: &str| program(&format!("fleet/node_modules/@modelcontextprotocol/{package}/dist/index.js"));
    let config = yaml::documents(&[
        yaml::stdio("time", &program("fleet/mcp1/bin/mcp-server-time")?, &["--local-timezone", "UTC"]),
        yaml::stdio("git", &program("fleet/mcp1/bin/mcp-server-git")?, &["--repository", &path]),
        yaml::stdio("files", "node", &[&node("server-filesystem")?, &path]),
        yaml::stdio("memory", "node", &[&node("server-memory")?]),
        yaml::route("stdio", "/mcp", &[("time", "time"), ("git", "git"), ("files", "files"), ("memory", "memory")]),
    ]);
    let gateway = Gateway::start(&config, connections)?;
    let mut command = Command::new(fleet::python(1)?);
    command.arg(places::own_client("stdio_servers.py")?).arg(gateway.url("/mcp")).arg(folder.path());
    script::run(&mut command, Duration::from_secs(120))?.all_passed()
}

/// A git repository with one commit.
fn repository(folder: &Path) -> Result<()> {
    let author = ["-c", "user.name=e2e", "-c", "user.email=e2e@example.com"];
    for arguments in [&["init", "-q"][..], &["add", "note.txt"], &["commit", "-q", "-m", "first"]] {
        let output = Command::new("git").args(author).args(arguments).current_dir(folder).output().context("git")?;
        ensure!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
