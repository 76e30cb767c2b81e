//! Is there an API server, and is it new enough?

use crate::status::facts::Facts;
use crate::status::report::Check;

/// The oldest Kubernetes that the resource definitions work on, as the chart says in `kubeVersion`.
const OLDEST: (u32, u32) = (1, 30);

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    let server = &facts.server;
    let version = match &facts.kubernetes {
        Ok(version) => version,
        Err(error) => {
            return vec![Check::problem(
                error.to_string(),
                "look at the cluster and at --kubeconfig and --context: kubectl cluster-info",
            )];
        }
    };
    let (major, minor) = OLDEST;
    if (version.major, version.minor) < OLDEST {
        return vec![Check::problem(
            format!("{server} is Kubernetes {}, older than {major}.{minor}", version.text),
            format!("upgrade the cluster: {major}.{minor} is the oldest that Ringway supports"),
        )];
    }
    vec![Check::ok(format!("{server} answers: Kubernetes {}", version.text))]
}
