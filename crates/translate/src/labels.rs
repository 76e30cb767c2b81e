//! Label selectors as Kubernetes has them.
//!
//! Used by the rules of routes and Gateways.

use std::collections::BTreeMap;

use ringway_crds::{LabelOperator, LabelRequirement, LabelSelector};

use crate::path::FieldPath;
use crate::problem::Reason;
use crate::scope::Scope;

/// More of them is no selection that anyone can follow.
const MAX_REQUIREMENTS: usize = 32;
const MAX_VALUES: usize = 64;

/// An empty selector matches everything.
pub(crate) fn matches(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    selector.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
        && selector.match_expressions.iter().all(|requirement| is_met(requirement, labels.get(&requirement.key)))
}

fn is_met(requirement: &LabelRequirement, label: Option<&String>) -> bool {
    let is_listed = label.is_some_and(|label| requirement.values.contains(label));
    match requirement.operator {
        LabelOperator::In => is_listed,
        LabelOperator::NotIn => !is_listed,
        LabelOperator::Exists => label.is_some(),
        LabelOperator::DoesNotExist => label.is_none(),
    }
}

/// What a selector may look like.
pub(crate) fn check(scope: &mut Scope<'_>, field: &FieldPath, selector: &LabelSelector) {
    scope.at_most(&field.field("matchLabels"), selector.match_labels.len(), MAX_REQUIREMENTS);
    let list = field.field("matchExpressions");
    scope.at_most(&list, selector.match_expressions.len(), MAX_REQUIREMENTS);
    for (index, requirement) in selector.match_expressions.iter().enumerate() {
        let field = list.index(index).field("values");
        scope.at_most(&field, requirement.values.len(), MAX_VALUES);
        let wants_values = matches!(requirement.operator, LabelOperator::In | LabelOperator::NotIn);
        if wants_values == requirement.values.is_empty() {
            let message = if wants_values {
                "must not be empty with In and NotIn"
            } else {
                "must be left out with Exists and DoesNotExist"
            };
            scope.error(&field, Reason::InvalidValue, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ringway_crds::LabelSelector;

    use super::matches;

    #[test]
    fn requirements_mean_what_they_mean_to_kubernetes() {
        let labels: BTreeMap<String, String> =
            [("team", "eng"), ("tier", "1")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        for (selector, expected) in [
            ("{}", true),
            (r#"{"matchLabels":{"team":"eng"}}"#, true),
            (r#"{"matchLabels":{"team":"eng","tier":"2"}}"#, false),
            (r#"{"matchExpressions":[{"key":"team","operator":"In","values":["ops","eng"]}]}"#, true),
            (r#"{"matchExpressions":[{"key":"none","operator":"In","values":["eng"]}]}"#, false),
            (r#"{"matchExpressions":[{"key":"team","operator":"NotIn","values":["eng"]}]}"#, false),
            (r#"{"matchExpressions":[{"key":"none","operator":"NotIn","values":["eng"]}]}"#, true),
            (r#"{"matchExpressions":[{"key":"team","operator":"Exists"}]}"#, true),
            (r#"{"matchExpressions":[{"key":"team","operator":"DoesNotExist"}]}"#, false),
            (r#"{"matchLabels":{"team":"eng"},"matchExpressions":[{"key":"none","operator":"Exists"}]}"#, false),
        ] {
            let selector: LabelSelector = serde_json::from_str(selector).expect("a selector");
            assert_eq!(matches(&selector, &labels), expected, "{selector:?}");
        }
    }
}
