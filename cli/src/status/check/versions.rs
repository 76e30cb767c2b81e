//! Operator, data plane and this command: of one version?

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;

use crate::status::facts::InstallFacts;
use crate::status::report::Check;

/// What chart and manifests write on what they install, the CRDs included.
pub(super) const VERSION_LABEL: &str = "app.kubernetes.io/version";

pub(super) fn checks(command: &str, facts: &InstallFacts) -> Vec<Check> {
    let operator = version(&facts.operator);
    let Some(data_plane) = facts.data_plane.as_ref().ok().and_then(Option::as_ref).map(version) else { return vec![] };
    let mut checks = Vec::new();
    if operator != data_plane {
        checks.push(Check::problem(
            format!("the operator is of version {operator}, the data plane of {data_plane}"),
            "finish the upgrade: helm upgrade with one version for both images",
        ));
    }
    if operator != command {
        checks.push(Check::warning(
            format!("the operator is of version {operator}, this command of {command}"),
            format!("use the command of version {operator}, or upgrade the install"),
        ));
    }
    if checks.is_empty() {
        checks.push(Check::ok(format!("operator, data plane and this command are of version {command}")));
    }
    checks
}

/// The label that chart and manifests set, else the tag of the image.
fn version(deployment: &Deployment) -> String {
    if let Some(label) = deployment.labels().get(VERSION_LABEL) {
        return label.trim_start_matches('v').to_owned();
    }
    let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let image = pod.and_then(|pod| pod.containers.first()).and_then(|container| container.image.as_deref());
    let untagged = || "unknown".to_owned();
    // A registry's port is no tag, a digest says nothing.
    let name = image.unwrap_or_default().split('@').next().unwrap_or_default();
    let last = name.rsplit('/').next().unwrap_or_default();
    last.split_once(':').map_or_else(untagged, |(_, tag)| tag.trim_start_matches('v').to_owned())
}
