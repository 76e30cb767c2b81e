//! After one list, 1,000 lists by 100 sessions cost the upstream no request.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ringway_e2e::fleet::{Kind, Server};
use ringway_e2e::gateway::{Connections, Gateway};
use ringway_e2e::relay::{Relay, Seen};
use ringway_e2e::session::Session;
use ringway_e2e::{wait, yaml};
use serde_json::json;

const SESSIONS: usize = 100;
const LISTS: usize = 1_000;

super::both_ways! {
    cost_the_upstream_nothing => super::cost_the_upstream_nothing,
}

fn cost_the_upstream_nothing(connections: Connections) -> Result<()> {
    let (one, two) = (Server::start(Kind::FastMcp)?, Server::start(Kind::Everything)?);
    let (first, second) = (Relay::to(one.address())?, Relay::to(two.address())?);
    let config = yaml::documents(&[
        yaml::backend("one", &format!("http://{}/mcp", first.address())),
        yaml::backend("two", &format!("http://{}/mcp", second.address())),
        yaml::route("lists", "/mcp", &[("one", "one"), ("two", "two")]),
    ]);
    let gateway = Gateway::start(&config, connections)?;
    let mut sessions =
        (0..SESSIONS).map(|_| Session::open(gateway.address(), "/mcp", &json!({}))).collect::<Result<Vec<_>>>()?;
    // The first list, and what the servers announce after it: server-everything adds tools once it knows its client.
    let full = wait::until("the whole list", Duration::from_secs(20), || {
        let names = sessions.first_mut().context("a session")?.names("tools/list", "tools")?;
        let of = |prefix: &str| names.iter().filter(|name| name.starts_with(prefix)).count();
        Ok((of("one_") == 9 && of("two_") == 13).then_some(names))
    })?;
    let upstream = || [first.seen(), second.seen()];
    let before = settled(upstream)?;
    for round in 0..LISTS / SESSIONS {
        for session in &mut sessions {
            let names = session.names("tools/list", "tools")?;
            ensure!(names == full, "another list in round {round}: {names:?}");
        }
    }
    let after = upstream();
    let extra: Vec<_> = (before.iter().zip(&after))
        .flat_map(|(before, after)| after.iter().skip(before.len()))
        .map(|seen| format!("{} {}", seen.http, seen.method))
        .collect();
    ensure!(
        extra.is_empty(),
        "{LISTS} lists by {SESSIONS} sessions made the gateway ask {} times: {extra:?}",
        extra.len()
    );
    Ok(())
}

/// What the upstreams saw, once a hundred looks in a row (two seconds) saw nothing new.
fn settled<T: Fn() -> [Vec<Seen>; 2]>(upstream: T) -> Result<[Vec<Seen>; 2]> {
    let (mut last, mut quiet) = (0, 0);
    wait::until("quiet upstreams", Duration::from_secs(30), || {
        let seen = upstream();
        let count = seen.iter().map(Vec::len).sum();
        quiet = if count == last { quiet + 1 } else { 0 };
        last = count;
        Ok((quiet >= 100).then_some(seen))
    })
}
