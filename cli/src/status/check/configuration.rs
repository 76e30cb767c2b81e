//! Do all pods serve the same?

use crate::pod_config::{self, Comparison};
use crate::status::facts::InstallFacts;
use crate::status::report::Check;

pub(super) fn checks(facts: &InstallFacts) -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    let mut readable = Vec::new();
    for (pod, looked) in &facts.configs {
        match looked {
            Ok(config) => readable.push((pod.as_str(), config)),
            Err(error) => checks.push(Check::blind(&format!("the configuration of pod {pod}"), error)),
        }
    }
    match pod_config::compare(&readable) {
        Comparison::Nothing if checks.is_empty() => {
            checks.push(Check::warning("no data-plane pod is ready to be asked", "see the data plane above"));
        }
        Comparison::Nothing => {}
        Comparison::Alike { pods, counts } => checks.push(Check::ok(format!("{counts} in {pods}"))),
        Comparison::Differ(odd) => checks.extend(odd.into_iter().map(|one| {
            Check::problem(
                format!("pod {} serves something else than {}: {}", one.pod, one.reference, one.summary()),
                format!(
                    "kubectl -n {} logs {}: is it connected to the operator? `ringway config dump` shows the rest",
                    facts.install.namespace, one.pod
                ),
            )
        })),
    }
    checks
}
