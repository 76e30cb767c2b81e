//! The operator: its Deployment, and its Lease, without which nobody writes status.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;

use super::workload;
use crate::status::facts::InstallFacts;
use crate::status::report::Check;

pub(super) fn checks(facts: &InstallFacts, now: Timestamp) -> Vec<Check> {
    let mut checks = workload::deployment_and_pods(&facts.operator, &facts.operator_pods, now);
    checks.push(match &facts.lease {
        Err(error) => Check::blind("the operator's Lease", error),
        Ok(None) => Check::problem(
            format!("no replica of {} ever took the Lease {}-operator", facts.install, facts.install.name),
            logs(facts),
        ),
        Ok(Some(lease)) => judge(lease, facts, now),
    });
    checks
}

fn judge(lease: &Lease, facts: &InstallFacts, now: Timestamp) -> Check {
    let name = lease.name_any();
    let spec = lease.spec.clone().unwrap_or_default();
    let Some(holder) = spec.holder_identity.filter(|holder| !holder.is_empty()) else {
        return Check::problem(format!("nobody holds the Lease {name}: no status is written"), logs(facts));
    };
    let renewed = spec.renew_time.map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    let age = now.duration_since(renewed);
    let valid = SignedDuration::from_secs(spec.lease_duration_seconds.unwrap_or(15).into());
    if age > valid {
        let seconds = age.as_secs();
        let text = format!("the Lease {name} of {holder} was renewed {seconds} s ago: no status is written");
        return Check::problem(text, logs(facts));
    }
    let known = facts.operator_pods.as_ref().ok();
    let is_known = known.is_none_or(|pods| pods.iter().any(|pod| holder.starts_with(&pod.name_any())));
    if !is_known {
        let text = format!("the Lease {name} is held by {holder}, which is none of the operator's pods");
        return Check::warning(text, "another operator may run under the same name: kubectl get deployments -A");
    }
    Check::ok(format!("the Lease {name} is held by {holder}"))
}

fn logs(facts: &InstallFacts) -> String {
    let (namespace, name) = (&facts.install.namespace, facts.operator.name_any());
    format!("kubectl -n {namespace} logs deployment/{name}")
}
