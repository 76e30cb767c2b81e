//! A Deployment and its pods: as many as wanted, ready, and if not, why.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use kube::ResourceExt;

use crate::cluster::install::is_ready;
use crate::status::facts::{InstallFacts, Looked};
use crate::status::report::Check;

/// A restart this long ago is history.
const RECENT: SignedDuration = SignedDuration::from_mins(15);

pub(super) fn data_plane(facts: &InstallFacts, now: Timestamp) -> Vec<Check> {
    let (install, namespace) = (&facts.install, &facts.install.namespace);
    let mut checks = match &facts.data_plane {
        Err(error) => vec![Check::blind("the data plane's Deployment", error)],
        Ok(None) => {
            return vec![Check::problem(
                format!("there is no Deployment {}-dataplane in {namespace}", install.name),
                "install the chart again: helm upgrade",
            )];
        }
        Ok(Some(deployment)) => deployment_and_pods(deployment, &facts.pods, now),
    };
    match &facts.services {
        Err(error) => checks.push(Check::blind("the data plane's Service", error)),
        Ok(services) if services.is_empty() => checks.push(Check::problem(
            format!("the data plane has no Service in {namespace}"),
            "install the chart again: helm upgrade",
        )),
        Ok(services) => checks.extend(services.iter().map(|service| {
            let ports = service.spec.iter().filter_map(|spec| spec.ports.as_ref()).flatten();
            let ports: Vec<String> = ports.map(|port| port.port.to_string()).collect();
            Check::ok(format!("Service {} takes clients on port {}", service.name_any(), ports.join(", ")))
        })),
    }
    checks
}

/// Both judged.
pub(super) fn deployment_and_pods(deployment: &Deployment, pods: &Looked<Vec<Pod>>, now: Timestamp) -> Vec<Check> {
    let mut checks = vec![judge(deployment)];
    match pods {
        Err(error) => checks.push(Check::blind("the pods", error)),
        Ok(pods) => checks.extend(pods.iter().filter_map(|pod| trouble(pod, now))),
    }
    checks
}

fn judge(deployment: &Deployment) -> Check {
    let (name, namespace) = (deployment.name_any(), deployment.namespace().unwrap_or_default());
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let status = deployment.status.clone().unwrap_or_default();
    let (available, updated) = (status.available_replicas.unwrap_or(0), status.updated_replicas.unwrap_or(0));
    let describe = format!("kubectl -n {namespace} describe deployment {name}");
    if status.observed_generation < deployment.metadata.generation {
        return Check::problem(format!("Deployment {name}: its last change is not taken up yet"), describe);
    }
    if wanted == 0 {
        let remedy = format!("kubectl -n {namespace} scale deployment {name} --replicas=2");
        return Check::problem(format!("Deployment {name} is scaled to 0"), remedy);
    }
    if available < wanted {
        return Check::problem(format!("Deployment {name}: {available} of {wanted} pods available"), describe);
    }
    if updated < wanted {
        let remedy = format!("wait: kubectl -n {namespace} rollout status deployment {name}");
        return Check::warning(format!("Deployment {name}: {updated} of {wanted} pods are of its newest form"), remedy);
    }
    Check::ok(format!("Deployment {name}: {available} of {wanted} pods available"))
}

/// Why a pod is not ready, or what it went through just now.
fn trouble(pod: &Pod, now: Timestamp) -> Option<Check> {
    let (name, namespace) = (pod.name_any(), pod.namespace().unwrap_or_default());
    let containers = pod.status.iter().filter_map(|status| status.container_statuses.as_ref()).flatten();
    if is_ready(pod) {
        let (restarts, reason) = containers.filter_map(|one| restarted(one, now)).next()?;
        let remedy = format!("kubectl -n {namespace} logs {name} --previous");
        return Some(Check::warning(format!("pod {name} restarted lately ({restarts} in all): {reason}"), remedy));
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let describe = format!("kubectl -n {namespace} describe pod {name}");
    if let Some(why) = unschedulable(pod) {
        return Some(Check::problem(format!("pod {name} finds no node: {why}"), describe));
    }
    let is_pending = pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Pending");
    let unsaid = || (if is_pending { "Pending" } else { "NotReady" }.to_owned(), String::new());
    let (reason, message) = containers.filter_map(waiting).next().unwrap_or_else(unsaid);
    let remedy = match reason.as_str() {
        "NotReady" | "CrashLoopBackOff" | "Error" | "OOMKilled" => format!("kubectl -n {namespace} logs {name}"),
        "ImagePullBackOff" | "ErrImagePull" | "ErrImageNeverPull" | "InvalidImageName" => {
            "mend the chart's image values (registry, repository, tag, pullSecrets)".to_owned()
        }
        _ => describe,
    };
    let text = if message.is_empty() { reason } else { format!("{reason}: {message}") };
    Some(Check::problem(format!("pod {name} is not ready: {text}"), remedy))
}

fn unschedulable(pod: &Pod) -> Option<String> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let scheduled = conditions.iter().find(|one| one.type_ == "PodScheduled" && one.status == "False")?;
    Some(scheduled.message.clone().unwrap_or_default())
}

fn waiting(container: &ContainerStatus) -> Option<(String, String)> {
    let state: &ContainerState = container.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        // The message of a crash loop is about the pause; why it crashed says the last end.
        let last = container.last_state.as_ref().and_then(|last| last.terminated.as_ref());
        let message = match last {
            Some(end) if waiting.reason.as_deref() == Some("CrashLoopBackOff") => {
                format!("it ended with {} ({})", end.exit_code, end.reason.as_deref().unwrap_or("no reason"))
            }
            _ => waiting.message.clone().unwrap_or_default(),
        };
        return Some((waiting.reason.clone().unwrap_or_default(), message));
    }
    let end = state.terminated.as_ref()?;
    Some((end.reason.clone().unwrap_or_default(), end.message.clone().unwrap_or_default()))
}

fn restarted(container: &ContainerStatus, now: Timestamp) -> Option<(i32, String)> {
    let end = container.last_state.as_ref()?.terminated.as_ref()?;
    let at = end.finished_at.as_ref()?.0;
    let is_recent = now.duration_since(at) < RECENT;
    let reason = format!("{}, exit code {}", end.reason.as_deref().unwrap_or("no reason"), end.exit_code);
    (is_recent && container.restart_count > 0).then_some((container.restart_count, reason))
}
