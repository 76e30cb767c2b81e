//! While the configuration is rewritten ten times a second, no session, stream or call of an unrelated backend notices.

use anyhow::{Result, ensure};
use ringway_e2e::gateway::{Connections, Gateway};

use crate::fleet::Fleet;

super::both_ways! {
    unrelated_backend_changes => super::unrelated_backend_changes,
}

fn unrelated_backend_changes(connections: Connections) -> Result<()> {
    let fleet = Fleet::start()?;
    let gateway = Gateway::start(&fleet.config(), connections)?;
    let rewriting = gateway.rewrite();
    fleet.check(&gateway)?;
    let written = rewriting.stop()?;
    ensure!(written >= 50, "only {written} rewrites happened while the clients ran");
    Ok(())
}
