//! Ports and hosts that listeners have: who comes first has them.
//!
//! A port speaks HTTP or HTTPS, and on a port a host belongs to one listener.

use std::collections::BTreeMap;

use ringway_snapshot::ListenerName;

use crate::verdict::Condition;

#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Is it HTTPS, and who says so.
    protocols: BTreeMap<u16, (bool, ListenerName)>,
    hosts: BTreeMap<(u16, Option<String>), ListenerName>,
}

// === impl Claims ===

impl Claims {
    /// Takes the place, or says who has it: a `Conflicted` that is true.
    pub(super) fn claim(
        &mut self,
        name: &ListenerName,
        port: u16,
        hostname: Option<&str>,
        is_https: bool,
    ) -> Result<(), Condition> {
        let conflict = |reason, message| Err(Condition { is_true: true, reason, message });
        if let Some((other_is_https, other)) = self.protocols.get(&port)
            && *other_is_https != is_https
        {
            let protocol = if *other_is_https { "HTTPS" } else { "HTTP" };
            return conflict("ProtocolConflict", format!("listener {other} has port {port} for {protocol}"));
        }
        let host = (port, hostname.map(str::to_owned));
        if let Some(other) = self.hosts.get(&host) {
            let host = hostname.map_or_else(|| "every host".to_owned(), str::to_owned);
            return conflict("HostnameConflict", format!("listener {other} has {host} on port {port}"));
        }
        self.protocols.insert(port, (is_https, name.clone()));
        self.hosts.insert(host, name.clone());
        Ok(())
    }
}
