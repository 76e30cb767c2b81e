//! Every client of the fleet against every server of its era, alone on a route and all on one, is served as it is without a gateway.

use anyhow::{Context, Result};
use ringway_e2e::fleet::{Client, Kind, Server};
use ringway_e2e::gateway::{Connections, Gateway};
use ringway_e2e::script::Report;
use ringway_e2e::yaml;

const MODERN: &[Client] = &[
    Client::Python2("auto"),
    Client::Python2("2026-07-28"),
    Client::TypeScript("auto"),
    Client::TypeScript("2026-07-28"),
];
const BOTH: &[Client] = &[
    Client::Python2("auto"),
    Client::Python2("legacy"),
    Client::Python2("2026-07-28"),
    Client::TypeScript("auto"),
    Client::TypeScript("legacy"),
    Client::TypeScript("2026-07-28"),
    Client::Python1,
];
const LEGACY: &[Client] = &[Client::Python2("legacy"), Client::TypeScript("legacy"), Client::Python1];
/// These probe `server/discover` first and must find that the route speaks the legacy era.
const LEGACY_BY_PROBE: &[Client] = &[Client::Python2("auto"), Client::TypeScript("auto")];

super::both_ways! {
    modern_alone => |connections| super::alone(super::Kind::Modern, super::MODERN, connections),
    both_alone => |connections| super::alone(super::Kind::Both, super::BOTH, connections),
    fastmcp_alone => |connections| super::alone(super::Kind::FastMcp, super::LEGACY, connections),
    fastmcp_alone_by_probe => |connections| super::alone(super::Kind::FastMcp, super::LEGACY_BY_PROBE, connections),
    everything_alone => |connections| super::alone(super::Kind::Everything, &[super::Client::Everything], connections),
    together => super::together,
}

/// One server behind the gateway, names untouched.
fn alone(kind: Kind, clients: &[Client], connections: Connections) -> Result<()> {
    let server = Server::start(kind)?;
    let config =
        yaml::documents(&[yaml::backend("only", &server.url()), yaml::route("alone", "/mcp", &[("only", "")])]);
    let gateway = Gateway::start(&config, connections)?;
    for client in clients {
        let direct = client.run(&server.url(), "")?;
        compare(*client, &client.run(&gateway.url("/mcp"), "")?, &direct)?;
    }
    Ok(())
}

/// All servers on one route, each under its prefix.
fn together(connections: Connections) -> Result<()> {
    let fleet = Fleet::start()?;
    let gateway = Gateway::start(&fleet.config(), connections)?;
    fleet.check(&gateway)
}

/// Fails when `through` lost what `direct` had.
fn compare(client: Client, through: &Report, direct: &Report) -> Result<()> {
    through.no_worse_than(direct).with_context(|| format!("{client:?}"))
}

/// Every server of the fleet, and for each what its clients say without a gateway.
pub(crate) struct Fleet {
    servers: Vec<(&'static str, Server, &'static [Client])>,
    direct: Vec<Vec<Report>>,
}

impl Fleet {
    pub(crate) fn start() -> Result<Self> {
        let mut fleet = Self { servers: Vec::new(), direct: Vec::new() };
        let kinds: [(_, _, &'static [Client]); 4] = [
            ("modern", Kind::Modern, &[Client::Python2("auto"), Client::TypeScript("2026-07-28")]),
            ("both", Kind::Both, &[Client::Python2("legacy"), Client::TypeScript("auto"), Client::Python1]),
            ("fast", Kind::FastMcp, LEGACY),
            ("every", Kind::Everything, &[Client::Everything]),
        ];
        for (name, kind, clients) in kinds {
            let server = Server::start(kind)?;
            let direct = clients.iter().map(|client| client.run(&server.url(), "")).collect::<Result<_>>()?;
            fleet.servers.push((name, server, clients));
            fleet.direct.push(direct);
        }
        Ok(fleet)
    }

    /// One route per server, each with all of them: the scripts look for the first `counter` and `greeting` of a list, so the server that a
    /// script calls stands first on its route.
    pub(crate) fn config(&self) -> String {
        let names: Vec<_> = self.servers.iter().map(|(name, ..)| *name).collect();
        let mut parts: Vec<_> =
            self.servers.iter().map(|(name, server, _)| yaml::backend(name, &server.url())).collect();
        for (first, name) in names.iter().enumerate() {
            let rotated: Vec<_> =
                names.iter().cycle().skip(first).take(names.len()).map(|name| (*name, *name)).collect();
            parts.push(yaml::route(&format!("all-{name}"), &format!("/all/{name}"), &rotated));
        }
        yaml::documents(&parts)
    }

    /// Runs every client at its server's route.
    pub(crate) fn check(&self, gateway: &Gateway) -> Result<()> {
        for ((name, _, clients), direct) in self.servers.iter().zip(&self.direct) {
            for (client, direct) in clients.iter().zip(direct) {
                let through = client.run(&gateway.url(&format!("/all/{name}")), &format!("{name}_"))?;
                compare(*client, &through, direct).with_context(|| format!("at {name}"))?;
            }
        }
        Ok(())
    }
}
