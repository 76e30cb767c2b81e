//! What can be wrong with objects of each kind, and what their conditions must come to say of it.

use anyhow::{Context, Result, ensure};
use ringway_e2e::cluster::namespace::Namespace;
use ringway_e2e::cluster::object;

/// An object, and what its status must come to say: the condition, whether it is true, its reason, and a text of its message.
pub(super) struct Case {
    pub(super) plural: &'static str,
    pub(super) name: &'static str,
    spec: &'static str,
    condition: (&'static str, bool, &'static str),
    message: &'static str,
}

const OPEN: &str = "authentication: { anonymous: true }, authorization: Open";

fn backend(
    name: &'static str,
    spec: &'static str,
    condition: (&'static str, bool, &'static str),
    message: &'static str,
) -> Case {
    Case { plural: "mcpbackends", name, spec, condition, message }
}

fn route(
    name: &'static str,
    spec: &'static str,
    condition: (&'static str, bool, &'static str),
    message: &'static str,
) -> Case {
    Case { plural: "mcproutes", name, spec, condition, message }
}

pub(super) fn backends() -> Vec<Case> {
    let (accepted, refs) = (|reason| ("Accepted", false, reason), |reason| ("ResolvedRefs", false, reason));
    vec![
        backend(
            "c-later",
            "service: { name: conditions, port: 8080 }, transport: SSE",
            accepted("UnsupportedValue"),
            "spec.transport",
        ),
        backend("c-private", "url: 'http://10.0.0.1/mcp'", accepted("Invalid"), "spec.url"),
        backend("c-nowhere", "service: { name: nowhere, port: 8080 }", refs("RefNotFound"), "nowhere"),
        backend("c-port", "service: { name: conditions, port: 9 }", refs("RefNotFound"), "spec.service.port"),
        backend(
            "c-foreign",
            "service: { name: kubernetes, namespace: default, port: 443 }",
            refs("RefNotPermitted"),
            "ReferenceGrant",
        ),
        backend(
            "c-secret",
            "service: { name: conditions, port: 8080 }, credentials: { type: Bearer, bearer: { secretRef: { name: no-secret, key: token } } }",
            refs("RefNotFound"),
            "no-secret",
        ),
        backend(
            "c-key",
            "service: { name: conditions, port: 8080 }, credentials: { type: Bearer, bearer: { secretRef: { name: c-keyless, key: token } } }",
            refs("RefNotFound"),
            "key token",
        ),
        backend(
            "c-authority",
            "service: { name: conditions, port: 8080 }, tls: { caCertificateRefs: [{ name: c-no-pem }] }",
            refs("InvalidRef"),
            "spec.tls.caCertificateRefs[0]",
        ),
        // Each half is good. That they are of two pairs, only who loads them sees.
        backend(
            "c-unpaired",
            "service: { name: conditions, port: 8080 }, tls: { clientCertificateRef: { name: c-unpaired } }",
            ("Programmed", false, "Rejected"),
            "KeyMismatch",
        ),
    ]
}

pub(super) fn routes() -> Vec<Case> {
    let (accepted, refs) = (|reason| ("Accepted", false, reason), |reason| ("ResolvedRefs", false, reason));
    vec![
        route(
            "c-rename",
            "path: /c/rename, backends: [{ ref: { name: c-good }, tools: { override: [{ name: add, rename: x }, { name: time, rename: x }] } }]",
            accepted("Invalid"),
            "spec.backends[0]",
        ),
        route(
            "c-closed",
            "path: /c/closed, backends: [{ ref: { name: c-good } }], authentication: { anonymous: true }",
            accepted("UnsupportedValue"),
            "spec.authorization",
        ),
        route(
            "c-missing",
            "path: /c/missing, backends: [{ ref: { name: nobody } }]",
            refs("BackendNotFound"),
            "nobody",
        ),
        route(
            "c-broken",
            "path: /c/broken, backends: [{ ref: { name: c-private } }]",
            refs("RefNotAccepted"),
            "c-private",
        ),
        route(
            "c-theirs",
            "path: /c/theirs, backends: [{ ref: { name: x, namespace: default } }]",
            refs("RefNotPermitted"),
            "ReferenceGrant",
        ),
        route(
            "c-bridged",
            "path: /c/bridged, backends: [{ ref: { kind: RESTBridge, name: c-bridge } }]",
            refs("InvalidKind"),
            "spec.backends[0].ref.kind",
        ),
    ]
}

pub(super) fn unattached() -> Vec<Case> {
    let accepted = |reason| ("Accepted", false, reason);
    vec![
        route(
            "c-orphan",
            "parentRefs: [{ name: nowhere }], path: /c/orphan, backends: [{ ref: { name: c-good } }]",
            accepted("NoMatchingParent"),
            "nowhere",
        ),
        route(
            "c-uninvited",
            "parentRefs: [{ name: c-gateway, sectionName: invited }], path: /c/uninvited, backends: [{ ref: { name: c-good } }]",
            accepted("NotAllowedByListeners"),
            "allowedRoutes",
        ),
        route(
            "c-host",
            "parentRefs: [{ name: c-gateway, sectionName: good }], hostnames: [other.example.com], backends: [{ ref: { name: c-good } }]",
            accepted("NoMatchingListenerHostname"),
            "",
        ),
        route(
            "c-port",
            "parentRefs: [{ name: c-gateway, sectionName: port }], path: /c/port, backends: [{ ref: { name: c-good } }]",
            accepted("NoMatchingParent"),
            "8123",
        ),
    ]
}

pub(super) fn later() -> Vec<Case> {
    vec![
        Case {
            plural: "toolpolicies",
            name: "c-policy",
            spec: "targetRefs: [{ kind: MCPRoute, name: c-guarded }], rules: [{ name: all, action: Allow }]",
            condition: ("Accepted", false, "UnsupportedValue"),
            message: "",
        },
        // Never served more openly than its policy says.
        route(
            "c-guarded",
            "path: /c/guarded, backends: [{ ref: { name: c-good } }]",
            ("Accepted", false, "UnsupportedValue"),
            "c-policy",
        ),
        Case {
            plural: "restbridges",
            name: "c-bridge",
            spec: "service: { name: conditions, port: 8080 }, tools: [{ name: t, description: d, inputSchema: { type: object }, request: { method: GET, path: /t } }]",
            condition: ("Accepted", false, "UnsupportedValue"),
            message: "",
        },
    ]
}

/// Secrets and ConfigMaps that the cases refer to. `c-unpaired` is made of the install's own.
pub(super) const MATERIAL: &str = "apiVersion: v1
kind: Secret
metadata: { name: c-keyless }
stringData: { other: text }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: c-no-pem }
data: { ca.crt: nonsense }
";

/// One Gateway that is right but for some listeners, and some that are wrong as a whole.
pub(super) const GATEWAYS: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: c-gateway }
spec:
  gatewayClassName: ringway
  listeners:
  - { name: good, port: 80, protocol: HTTP, hostname: good.example.com }
  - { name: also, port: 80, protocol: HTTP, hostname: also.example.com }
  - { name: port, port: 8123, protocol: HTTP }
  - { name: protocol, port: 80, protocol: TCP }
  - { name: certificate, port: 443, protocol: HTTPS, hostname: tls.example.com, tls: { certificateRefs: [{ name: no-certificate }] } }
  - { name: foreign, port: 443, protocol: HTTPS, hostname: foreign.example.com, tls: { certificateRefs: [{ name: any, namespace: default }] } }
  - { name: unpaired, port: 443, protocol: HTTPS, hostname: unpaired.example.com, tls: { certificateRefs: [{ name: c-unpaired }] } }
  - name: options
    port: 443
    protocol: HTTPS
    hostname: options.example.com
    tls: { certificateRefs: [{ name: ringway-dataplane-tls }], options: { example.com/any: any } }
  - { name: taken, port: 80, protocol: HTTP }
  - { name: mixed, port: 443, protocol: HTTP, hostname: mixed.example.com }
  - { name: kinds, port: 80, protocol: HTTP, hostname: kinds.example.com, allowedRoutes: { kinds: [{ kind: HTTPRoute }] } }
  - name: invited
    port: 80
    protocol: HTTP
    hostname: invited.example.com
    allowedRoutes: { namespaces: { from: Selector, selector: { matchLabels: { e2e.example.com/is: invited } } } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: c-no-listener }
spec:
  gatewayClassName: ringway
  listeners: [{ name: port, port: 8123, protocol: HTTP }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: default }
spec:
  gatewayClassName: ringway
  listeners: [{ name: http, port: 80, protocol: HTTP, hostname: default.example.com }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: c-address }
spec:
  gatewayClassName: ringway
  addresses: [{ type: IPAddress, value: 192.0.2.1 }]
  listeners: [{ name: http, port: 80, protocol: HTTP, hostname: address.example.com }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: c-parameters }
spec:
  gatewayClassName: ringway
  infrastructure: { parametersRef: { group: '', kind: ConfigMap, name: c-no-pem } }
  listeners: [{ name: http, port: 80, protocol: HTTP, hostname: parameters.example.com }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: c-sets }
spec:
  gatewayClassName: ringway
  allowedListeners: { namespaces: { from: All } }
  listeners: [{ name: http, port: 80, protocol: HTTP, hostname: sets.example.com }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: c-authority }
spec:
  gatewayClassName: ringway
  tls: { frontend: { default: { validation: { caCertificateRefs: [{ group: '', kind: ConfigMap, name: c-no-pem }] } } } }
  listeners:
  - { name: https, port: 443, protocol: HTTPS, hostname: authority.example.com, tls: { certificateRefs: [{ name: ringway-dataplane-tls }] } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: c-authority-kind }
spec:
  gatewayClassName: ringway
  tls: { frontend: { default: { validation: { caCertificateRefs: [{ group: '', kind: Service, name: conditions }] } } } }
  listeners:
  - { name: https, port: 443, protocol: HTTPS, hostname: kind.example.com, tls: { certificateRefs: [{ name: ringway-dataplane-tls }] } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: c-foreign }
spec:
  gatewayClassName: ringway
  listeners:
  - { name: https, port: 443, protocol: HTTPS, hostname: f.example.com, tls: { certificateRefs: [{ name: any, namespace: default }] } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: c-kinds }
spec:
  gatewayClassName: ringway
  listeners:
  - { name: http, port: 80, protocol: HTTP, hostname: k.example.com, allowedRoutes: { kinds: [{ kind: HTTPRoute }] } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: ringway-e2e-parameters }
spec:
  controllerName: ringway.dev/gateway-controller
  parametersRef: { group: '', kind: ConfigMap, name: c-no-pem, namespace: ringway-system }
";

/// Gateways as a whole.
pub(super) const WHOLE: &[(&str, &str, bool, &str)] = &[
    ("c-gateway", "Accepted", true, "ListenersNotValid"),
    ("c-gateway", "Programmed", true, "Programmed"),
    ("c-no-listener", "Accepted", false, "ListenersNotValid"),
    ("c-no-listener", "Programmed", false, "Invalid"),
    ("default", "Accepted", false, "Invalid"),
    ("c-address", "Accepted", false, "UnsupportedAddress"),
    ("c-parameters", "Accepted", false, "InvalidParameters"),
    ("c-sets", "Accepted", false, "UnsupportedValue"),
    ("c-authority", "Accepted", false, "ListenersNotValid"),
    ("c-authority", "ResolvedRefs", false, "InvalidCACertificateRef"),
    ("c-authority-kind", "ResolvedRefs", false, "InvalidCACertificateKind"),
    ("c-foreign", "ResolvedRefs", false, "RefNotPermitted"),
    ("c-kinds", "ResolvedRefs", false, "InvalidRouteKinds"),
];

/// Their listeners.
pub(super) const LISTENERS: &[(&str, &str, &str, bool, &str)] = &[
    ("c-gateway", "good", "Accepted", true, "Accepted"),
    ("c-gateway", "good", "Programmed", true, "Programmed"),
    ("c-gateway", "good", "ResolvedRefs", true, "ResolvedRefs"),
    ("c-gateway", "good", "Conflicted", false, "NoConflicts"),
    ("c-gateway", "port", "Accepted", false, "PortUnavailable"),
    ("c-gateway", "port", "Programmed", false, "Invalid"),
    ("c-gateway", "protocol", "Accepted", false, "UnsupportedProtocol"),
    ("c-gateway", "certificate", "ResolvedRefs", false, "InvalidCertificateRef"),
    ("c-gateway", "foreign", "ResolvedRefs", false, "RefNotPermitted"),
    ("c-gateway", "unpaired", "Programmed", false, "Rejected"),
    ("c-gateway", "options", "Accepted", false, "UnsupportedValue"),
    ("c-gateway", "taken", "Conflicted", true, "HostnameConflict"),
    ("c-gateway", "taken", "Accepted", false, "HostnameConflict"),
    ("c-gateway", "mixed", "Conflicted", true, "ProtocolConflict"),
    ("c-gateway", "mixed", "Accepted", false, "ProtocolConflict"),
    ("c-gateway", "kinds", "ResolvedRefs", false, "InvalidRouteKinds"),
    ("c-address", "http", "Accepted", false, "Invalid"),
    ("c-authority", "https", "ResolvedRefs", false, "InvalidCACertificateRef"),
    ("c-authority-kind", "https", "ResolvedRefs", false, "InvalidCACertificateKind"),
];

// === impl Case ===

impl Case {
    pub(super) fn yaml(&self) -> String {
        let Self { plural, name, spec, .. } = self;
        let kind = match *plural {
            "mcpbackends" => "MCPBackend",
            "mcproutes" => "MCPRoute",
            "toolpolicies" => "ToolPolicy",
            _ => "RESTBridge",
        };
        let open =
            if kind == "MCPRoute" && !spec.contains("authentication") { format!(", {OPEN}") } else { String::new() };
        format!(
            "apiVersion: ringway.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {{ {spec}{open} }}\n"
        )
    }

    pub(super) fn check(&self, namespace: &Namespace<'_>) -> Result<()> {
        let (kind, is_true, reason) = self.condition;
        let found = namespace.condition(self.plural, self.name, kind, (is_true, reason))?;
        ensure!(found.message.contains(self.message), "{}: no {:?} in {found}", self.name, self.message);
        // Nothing of it is live, and somebody who waits learns whether waiting helps.
        let object = namespace.object(self.plural, self.name)?;
        let ready =
            object::condition(&object, "Ready").with_context(|| format!("{}: no Ready in {object:#}", self.name))?;
        let more = ["Stalled", "Reconciling"]
            .iter()
            .filter(|kind| object::condition(&object, kind).is_some_and(|it| it.is_true));
        ensure!(
            !ready.is_true && more.count() == 1,
            "{}: Ready {ready}, and not one of Stalled and Reconciling: {object:#}",
            self.name
        );
        Ok(())
    }
}
