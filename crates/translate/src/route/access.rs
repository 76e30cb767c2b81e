//! Who may use a route. This version serves the open route only, and wants that written out.

use ringway_crds::MCPRouteSpec;
use ringway_crds::route::Authorization;

use crate::path::FieldPath;
use crate::problem::Reason;
use crate::scope::Scope;

pub(super) fn check(scope: &mut Scope<'_>, spec: &MCPRouteSpec) {
    let field = FieldPath::of("spec.authentication");
    match &spec.authentication {
        None => {
            let message = "must be set; write `authentication: { anonymous: true }` for a route that everyone may use";
            scope.error(&field, Reason::RequiredValue, message);
        }
        Some(authentication) => {
            for (member, is_set) in [
                ("jwt", authentication.jwt.is_some()),
                ("introspection", authentication.introspection.is_some()),
                ("apiKeys", authentication.api_keys.is_some()),
                ("mtls", authentication.mtls.is_some()),
                ("serviceAccounts", authentication.service_accounts.is_some()),
            ] {
                if is_set {
                    scope.unsupported(&field.field(member));
                }
            }
            if !authentication.anonymous {
                let message =
                    "this version serves anonymous callers only; write `anonymous: true` if everyone may use the route";
                scope.error(&field.field("anonymous"), Reason::UnsupportedValue, message);
            }
        }
    }
    if spec.authorization == Authorization::Policy {
        let message = "Policy, the default, allows nobody without a ToolPolicy, and policies are not served by this \
                       version; write `authorization: Open` if every caller may use everything on the route";
        scope.error(&FieldPath::of("spec.authorization"), Reason::UnsupportedValue, message);
    }
}
