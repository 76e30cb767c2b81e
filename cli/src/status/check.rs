//! From facts to a report. Pure: no clock, no network; each file judges one part of the install.

mod configuration;
mod definitions;
mod kubernetes;
mod objects;
mod operator;
mod secrets;
mod versions;
mod workload;

#[cfg(test)]
mod tests;

use super::facts::{Facts, InstallFacts, Scope};
use super::report::{Check, Report, Section};
use crate::cluster::install::{DEFAULT_NAMESPACE, Found};

/// Judges all of it.
#[must_use]
pub fn report(facts: &Facts) -> Report {
    let mut sections = vec![Section { name: "Kubernetes", checks: kubernetes::checks(facts) }];
    if facts.kubernetes.is_ok() {
        sections.push(Section { name: "Resource definitions", checks: definitions::checks(facts) });
        sections.push(Section { name: "Operator", checks: operator(facts) });
        if let Some(install) = &facts.install {
            sections.extend(of_install(facts, install));
        }
        if facts.scope == Scope::Whole {
            sections.push(Section { name: "Resources", checks: objects::checks(facts) });
        }
    }
    Report::new(sections)
}

fn of_install(facts: &Facts, install: &InstallFacts) -> Vec<Section> {
    let mut sections = vec![Section { name: "Data plane", checks: workload::data_plane(install, facts.now) }];
    if let Some(kept) = &install.secrets {
        let checks = secrets::checks(kept, &install.install.namespace, facts.now);
        sections.push(Section { name: "Certificates and keys", checks });
    }
    if facts.scope == Scope::Whole {
        sections.push(Section { name: "Configuration of the pods", checks: configuration::checks(install) });
    }
    sections.push(Section { name: "Versions", checks: versions::checks(facts.version, install) });
    sections
}

fn operator(facts: &Facts) -> Vec<Check> {
    match (&facts.found, &facts.install) {
        (Err(error), _) => vec![Check::blind("Deployments, to find the install", error)],
        (Ok(Found::None { searched }), _) => vec![Check::problem(
            format!("there is no operator of Ringway {searched}"),
            format!(
                "helm upgrade --install ringway charts/ringway --namespace {DEFAULT_NAMESPACE} --create-namespace; \
                 or --namespace names where it is"
            ),
        )],
        (Ok(Found::Several(installs)), _) => {
            let names: Vec<String> = installs.iter().map(ToString::to_string).collect();
            vec![Check::problem(
                format!("there are several installs: {}", names.join(", ")),
                "look at one: --namespace NAMESPACE; two installs need classes and routeNamespaces that do not meet",
            )]
        }
        (Ok(Found::One { .. }), Some(install)) => operator::checks(install, facts.now),
        (Ok(Found::One { .. }), None) => vec![],
    }
}
