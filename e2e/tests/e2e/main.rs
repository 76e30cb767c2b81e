//! End-to-end tests: the real binary with four workers between real clients and real servers. One file per behaviour; each runs once with
//! connections that the client keeps and once with a connection for every message, so that replies, cancellations and resumptions arrive on
//! other workers than the call.

mod conformance;
mod dead_backends;
mod elicitation;
mod first_contact;
mod fleet;
mod harness;
mod kill;
mod leaks;
mod lists;
mod reload;
mod stdio;
mod strange_upstreams;
mod viewers;

/// Makes two tests of one function that takes [`ringway_e2e::gateway::Connections`].
macro_rules! both_ways {
    ($($name:ident => $body:expr),+ $(,)?) => {$(
        mod $name {
            use ringway_e2e::gateway::Connections;

            #[test]
            fn kept() -> anyhow::Result<()> {
                ($body)(Connections::Kept)
            }

            #[test]
            fn per_message() -> anyhow::Result<()> {
                ($body)(Connections::PerMessage)
            }
        }
    )+};
}
use both_ways;
