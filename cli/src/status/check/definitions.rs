//! The four CRDs: there, established, with the schemas of this version.

use ringway_crds::{VERSION, manifest};
use serde_json::Value;

use super::objects::condition;
use super::versions::VERSION_LABEL;
use crate::status::facts::{Facts, OURS};
use crate::status::report::{Check, Level};

const INSTALL: &str = "install the CRDs of this version: helm upgrade --install ringway-crds charts/ringway-crds \
                       -n ringway-system, or kubectl apply --server-side -f crds/manifests";

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    let mut checks: Vec<Check> = facts
        .definitions
        .iter()
        .map(|(kind, looked)| match looked {
            Err(error) => Check::blind(&format!("the CRD of {kind}"), error),
            Ok(None) => Check::problem(format!("the CRD of {kind} is not installed"), INSTALL),
            Ok(Some(definition)) => judge(kind, definition, facts.version),
        })
        .collect();
    if checks.iter().all(|check| check.level == Level::Ok) {
        let kinds: Vec<&str> = facts.definitions.keys().copied().collect();
        checks =
            vec![Check::ok(format!("{} are established, as version {} has them", kinds.join(", "), facts.version))];
    }
    checks
}

fn judge(kind: &str, definition: &Value, version: &str) -> Check {
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten();
    let is_served = versions.into_iter().any(|one| one["name"] == VERSION && one["served"] == true);
    if !is_served {
        return Check::problem(format!("the CRD of {kind} does not serve {VERSION}"), INSTALL);
    }
    let established = definition.pointer("/status/conditions").and_then(|all| condition(all, "Established"));
    if !established.as_ref().is_some_and(|one| one.is_true()) {
        let why = established.map_or_else(|| "no condition says so".to_owned(), |one| one.message);
        return Check::problem(
            format!("the CRD of {kind} is not established: {why}"),
            format!("kubectl describe crd {}; another CRD may claim the same names", crd_name(kind)),
        );
    }
    if is_ours(kind, definition) {
        return Check::ok(format!("{kind} is established, as this version has it"));
    }
    let label = definition["metadata"]["labels"][VERSION_LABEL].as_str();
    // An edited one keeps its label.
    let label = label.filter(|label| *label != version);
    let found = label.map_or_else(|| "of another version".to_owned(), |label| format!("of version {label}"));
    Check::warning(format!("the CRD of {kind} is {found}, this command of {version}: their schemas differ"), INSTALL)
}

/// As the API server has it, for a command.
fn crd_name(kind: &str) -> String {
    let ours = OURS.into_iter().find(|one| one.kind() == kind);
    ours.map_or_else(String::new, |one| format!("{}.{}", one.plural(), one.group()))
}

/// Does it say of the objects what this version says? Other parts may be the packager's.
fn is_ours(kind: &str, definition: &Value) -> bool {
    let ours = OURS.into_iter().find(|one| one.kind() == kind).and_then(manifest::of);
    let schema = |definition: &Value| {
        let versions = definition.pointer("/spec/versions").and_then(Value::as_array)?;
        versions.iter().find(|one| one["name"] == VERSION).map(|one| one["schema"].clone())
    };
    ours.is_some_and(|ours| schema(&ours) == schema(definition))
}
