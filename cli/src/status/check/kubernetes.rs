//! Is there an API server, and is it new enough?

use crate::status::facts::Facts;
use crate::status::report::Check;

/// The oldest Kubernetes that is supported, as the chart says in `kubeVersion`.
const OLDEST: (u32, u32) = (1, 34);

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

#[cfg(test)]
mod tests {
    use super::OLDEST;

    #[test]
    fn the_oldest_kubernetes_is_the_charts() {
        let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/ringway/Chart.yaml");
        let text = std::fs::read_to_string(chart).unwrap();
        let line = text.lines().find(|line| line.starts_with("kubeVersion:")).unwrap();
        let (major, minor) = OLDEST;
        assert_eq!(line, format!("kubeVersion: \">={major}.{minor}.0-0\""));
    }
}
