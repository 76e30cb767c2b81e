//! Backends that cannot be reached, each in another way: what `Reachable` says of it, and that nothing else is said against them.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use ringway_e2e::cluster::install::Install;
use ringway_e2e::cluster::namespace::Namespace;
use ringway_e2e::cluster::{Cluster, object};
use ringway_e2e::hole::{Hole, Manner};
use ringway_e2e::scripted::{Say, Scripted};
use ringway_e2e::yaml;

/// Two visits in a row have to fail, some seconds apart.
const PATIENCE: Duration = Duration::from_secs(60);
/// On Linux nothing leads there, whatever routes a node has.
const NO_ROUTE: &str = "255.255.255.255";

/// A name, what its spec says, and the reason of `Reachable: False`.
const CASES: &[(&str, &str, &str)] = &[
    ("away-401", "service: { name: away-says, port: 8080, path: /401 }", "Unauthorized"),
    ("away-403", "service: { name: away-says, port: 8080, path: /403 }", "Forbidden"),
    ("away-404", "service: { name: away-says, port: 8080, path: /404 }", "NotFound"),
    ("away-429", "service: { name: away-says, port: 8080, path: /429 }", "TooManyRequests"),
    ("away-307", "service: { name: away-says, port: 8080, path: /307 }", "Redirected"),
    ("away-418", "service: { name: away-says, port: 8080, path: /418 }", "Refused"),
    ("away-503", "service: { name: away-says, port: 8080, path: /503 }", "ServerError"),
    ("away-babble", "service: { name: away-says, port: 8080, path: /200 }", "ProtocolError"),
    // A real server under an authority that nobody named.
    ("away-unknown", "service: { name: ringway-operator, port: 18000 }, tls: {}", "TLS"),
    ("away-silent", "service: { name: away-silent, port: 8080 }, timeouts: { request: 1s }", "Timeout"),
    ("away-drops", "service: { name: away-drops, port: 8080 }", "ConnectionClosed"),
    ("away-nobody", "service: { name: away-nobody, port: 8080 }", "ConnectionRefused"),
    ("away-no-route", "service: { name: away-no-route, port: 8080 }", "Unreachable"),
    ("away-no-pods", "service: { name: away-no-pods, port: 8080 }", "NoEndpoints"),
    ("away-no-name", "url: 'https://nobody.invalid/mcp'", "DNS"),
    // The resolver's search list makes a private address of a name that does not look like one.
    ("away-inside", "url: 'https://kubernetes.default/mcp'", "AddressNotAllowed"),
];

#[test]
fn each_way_not_to_answer_has_its_reason_and_fails_nothing() -> Result<()> {
    let cluster = Cluster::running()?;
    let _install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    let host = cluster.host()?;
    let says = Scripted::start_at(host, |seen| {
        let path = seen.head.split_whitespace().nth(1).unwrap_or_default();
        let status = path.trim_start_matches('/').parse().unwrap_or(404);
        Say(status, "text/plain", "no MCP".to_owned())
    })?;
    let (silent, drops) = (Hole::open_at(host, Manner::Silent)?, Hole::open_at(host, Manner::Drops)?);
    let services = [
        yaml::outside("away-says", says.address()),
        yaml::outside("away-silent", silent.address()),
        yaml::outside("away-drops", drops.address()),
        yaml::outside("away-nobody", SocketAddr::new(host, 9)),
        yaml::outside("away-no-route", SocketAddr::new(NO_ROUTE.parse()?, 8080)),
        "apiVersion: v1\nkind: Service\nmetadata: { name: away-no-pods }\n\
         spec: { ports: [{ port: 8080 }], selector: { app: away-no-pods } }\n"
            .to_owned(),
    ];
    let backends = CASES.iter().map(|(name, spec, _)| {
        format!(
            "apiVersion: ringway.dev/v1alpha1\nkind: MCPBackend\nmetadata: {{ name: {name} }}\nspec: {{ {spec} }}\n"
        )
    });
    namespace.apply(&yaml::documents(&services.into_iter().chain(backends).collect::<Vec<_>>()))?;
    let mut wrong = Vec::new();
    for (name, _, reason) in CASES {
        let path = namespace.path("mcpbackends", name);
        let found = cluster.until(&format!("Reachable of {name} to be {reason}"), PATIENCE, &path, |found| {
            object::condition(found, "Reachable").filter(|it| !it.is_true && it.reason == *reason)
        });
        let is_sound = found.and_then(|found| {
            ensure!(!found.message.contains(&host.to_string()), "an address is shown: {found}");
            namespace.ready("mcpbackends", name)
        });
        wrong.extend(is_sound.err().map(|error| format!("{error:#}")));
    }
    ensure!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
    Ok(())
}
