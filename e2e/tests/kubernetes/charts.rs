//! The charts and `deploy/`, as `charts/test.sh` looks at them: alone, and in front of the API server. Installing by them is `install`'s.

use std::process::Command;

use anyhow::Result;
use ringway_e2e::cluster::install::Install;
use ringway_e2e::cluster::{Cluster, run};
use ringway_e2e::places;

#[test]
fn charts_render_what_is_committed_and_refuse_what_cannot_be_meant() -> Result<()> {
    script(&[])
}

#[test]
fn an_api_server_takes_everything_and_grants_no_more_than_is_needed() -> Result<()> {
    let cluster = Cluster::running()?;
    // Beside an install: in an empty cluster the script would make the resources, and take them away again from whoever came after.
    let _install = Install::shared(&cluster)?;
    script(&["cluster"])
}

fn script(arguments: &[&str]) -> Result<()> {
    run(Command::new(places::repository().join("charts/test.sh")).args(arguments), "")?.stdout().map(drop)
}
