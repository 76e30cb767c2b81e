//! References to other objects and to keys in them.
//!
//! `{group?, kind?, name, namespace?}` with a default kind per field; what is permitted and found is
//! `ringway-translate`'s to say.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::schema::{list, map, rule, text, texts};

/// Any object; group and kind have the field's default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectRef {
    #[schemars(transform = text::group)]
    pub group: Option<String>,
    #[schemars(transform = text::kind)]
    pub kind: Option<String>,
    #[schemars(transform = text::object_name)]
    pub name: String,
    /// Default: the referring object's. Another one needs a ReferenceGrant there.
    #[schemars(transform = text::label)]
    pub namespace: Option<String>,
}

/// A whole Secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretRef {
    #[schemars(transform = text::object_name)]
    pub name: String,
    /// Default: the referring object's. Another one needs a ReferenceGrant there.
    #[schemars(transform = text::label)]
    pub namespace: Option<String>,
}

/// One key of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeyRef {
    #[schemars(transform = text::object_name)]
    pub name: String,
    /// Default: the referring object's. Another one needs a ReferenceGrant there.
    #[schemars(transform = text::label)]
    pub namespace: Option<String>,
    #[schemars(transform = text::data_key)]
    pub key: String,
}

/// One key of a ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigMapKeyRef {
    #[schemars(transform = text::object_name)]
    pub name: String,
    /// Default: the referring object's. Another one needs a ReferenceGrant there.
    #[schemars(transform = text::label)]
    pub namespace: Option<String>,
    /// May be left out where the ConfigMap has one key.
    #[schemars(transform = text::data_key)]
    pub key: Option<String>,
}

/// An object of the same namespace, of the kind that the field says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalRef {
    #[schemars(transform = text::object_name)]
    pub name: String,
}

/// Kubernetes' label selector.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",
    "a selector must name a label: an empty one would select everything",
))]
pub struct LabelSelector {
    /// All of them.
    #[serde(default)]
    #[schemars(transform = map(0, 32, text::label_value))]
    pub match_labels: BTreeMap<String, String>,
    /// All of them.
    #[serde(default)]
    #[schemars(transform = list(0, 32))]
    pub match_expressions: Vec<LabelRequirement>,
}

/// One `key operator values` of a LabelSelector.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
    "values must be set with operator In and NotIn, and only then",
))]
pub struct LabelRequirement {
    #[schemars(transform = text::label_key)]
    pub key: String,
    pub operator: LabelOperator,
    #[serde(default)]
    #[schemars(transform = texts(0, 64, text::label_value))]
    pub values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum LabelOperator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}
