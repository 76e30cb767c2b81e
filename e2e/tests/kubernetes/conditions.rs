//! Each condition and each reason once, on real objects, all of them beside one route in use: what is wrong with one object concerns no other.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ringway_e2e::cluster::install::Install;
use ringway_e2e::cluster::namespace::Namespace;
use ringway_e2e::cluster::traffic::{self, Traffic};
use ringway_e2e::cluster::{Cluster, object};
use ringway_e2e::yaml;

const PATIENCE: Duration = Duration::from_secs(60);

/// An object, and what its status must come to say: the condition, whether it is true, its reason, and a text of its message.
struct Case {
    plural: &'static str,
    name: &'static str,
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

fn backends() -> Vec<Case> {
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
    ]
}

fn routes() -> Vec<Case> {
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

fn later() -> Vec<Case> {
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

const GATEWAY: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: c-gateway }
spec:
  gatewayClassName: ringway
  listeners:
  - { name: good, port: 80, protocol: HTTP, hostname: good.example.com }
  - { name: port, port: 8123, protocol: HTTP }
  - { name: protocol, port: 80, protocol: TCP }
  - { name: certificate, port: 443, protocol: HTTPS, hostname: tls.example.com, tls: { certificateRefs: [{ name: no-certificate }] } }
  - { name: kinds, port: 80, protocol: HTTP, hostname: kinds.example.com, allowedRoutes: { kinds: [{ kind: HTTPRoute }] } }
  - name: invited
    port: 80
    protocol: HTTP
    hostname: invited.example.com
    allowedRoutes: { namespaces: { from: Selector, selector: { matchLabels: { e2e.example.com/is: invited } } } }
";

const LISTENERS: &[(&str, &str, bool, &str)] = &[
    ("good", "Accepted", true, "Accepted"),
    ("good", "Programmed", true, "Programmed"),
    ("good", "ResolvedRefs", true, "ResolvedRefs"),
    ("good", "Conflicted", false, "NoConflicts"),
    ("port", "Accepted", false, "PortUnavailable"),
    ("port", "Programmed", false, "Invalid"),
    ("protocol", "Accepted", false, "UnsupportedProtocol"),
    ("certificate", "ResolvedRefs", false, "InvalidCertificateRef"),
    ("kinds", "ResolvedRefs", false, "InvalidRouteKinds"),
];

#[test]
fn every_reason_beside_a_route_in_use() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    namespace.servers("conditions", 1)?;
    namespace.apply(&yaml::documents(&[
        yaml::service("c-good", "conditions", ""),
        yaml::route("c-good", "/c/good", &[("c-good", "")]),
    ]))?;
    for (kind, reason) in
        [("Accepted", "Accepted"), ("ResolvedRefs", "ResolvedRefs"), ("Programmed", "Programmed"), ("Ready", "Ready")]
    {
        for plural in ["mcpbackends", "mcproutes"] {
            namespace.condition(plural, "c-good", kind, (true, reason))?;
        }
    }
    let address = install.address()?;
    traffic::first_call(address, "/c/good", PATIENCE)?;
    let traffic = Traffic::start(address, "/c/good", 1);

    let cases: Vec<_> = backends().into_iter().chain(routes()).chain(later()).collect();
    namespace.apply(&yaml::documents(&[
        "apiVersion: v1\nkind: Secret\nmetadata: { name: c-keyless }\nstringData: { other: text }\n".to_owned(),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: c-no-pem }\ndata: { ca.crt: nonsense }\n".to_owned(),
        GATEWAY.to_owned(),
    ]))?;
    namespace.apply(&yaml::documents(&cases.iter().map(Case::yaml).collect::<Vec<_>>()))?;
    let wrong: Vec<_> =
        cases.iter().filter_map(|case| case.check(&namespace).err()).map(|error| format!("{error:#}")).collect();
    ensure!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    for (listener, kind, is_true, reason) in LISTENERS {
        namespace.listener(("c-gateway", listener), kind, (*is_true, reason))?;
    }
    // One bad listener fails no other, and the Gateway says which.
    let partly = namespace.condition("gateways", "c-gateway", "Accepted", (true, "ListenersNotValid"))?;
    ensure!(partly.message.contains("certificate") && partly.message.contains("port"), "{partly}");

    traffic.goes_on(5, PATIENCE)?;
    traffic.stop_without_failure()?;
    namespace.ready("mcproutes", "c-good")
}

#[test]
fn contested_names_are_told_and_fail_nothing() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    namespace.servers("contested", 1)?;
    // `time` of the first is shown as the second's `add` is. What servers have is not known to the operator.
    let clash = |rename: &str| {
        format!(
            "apiVersion: ringway.dev/v1alpha1\nkind: MCPRoute\nmetadata: {{ name: contested }}\nspec:\n  path: /contested\n  \
             authentication: {{ anonymous: true }}\n  authorization: Open\n  backends:\n  \
             - {{ ref: {{ name: contested-a }}, prefix: '', tools: {{ override: [{{ name: time, rename: {rename} }}] }} }}\n  \
             - {{ ref: {{ name: contested-b }}, prefix: b }}\n"
        )
    };
    namespace.apply(&yaml::documents(&[
        yaml::service("contested-a", "contested", ""),
        yaml::service("contested-b", "contested", ""),
        clash("b_add"),
    ]))?;
    namespace.ready("mcproutes", "contested")?;
    // What servers have is known once somebody asked.
    let address = install.address()?;
    let told = ringway_e2e::wait::until("an answer", PATIENCE, || {
        let listed = ringway_e2e::session::Session::open(address, "/contested", &serde_json::json!({}))
            .and_then(|mut session| session.names("tools/list", "tools"));
        Ok(listed.ok())
    })?;
    ensure!(!told.iter().any(|name| name == "b_add"), "a contested name is served: {told:?}");
    let path = namespace.path("mcproutes", "contested");
    let conflicted = cluster.until("Conflicted", PATIENCE, &path, |found| {
        object::condition(found, "Conflicted").filter(|found| found.is_true && found.reason == "NameConflict")
    })?;
    ensure!(conflicted.message.contains("b_add"), "{conflicted}");
    namespace.ready("mcproutes", "contested")?;
    // It stands only while it is true.
    namespace.apply(&clash("now"))?;
    cluster.until("no conflict", PATIENCE, &path, |found| {
        let is_current = object::condition(found, "Ready").is_some_and(|ready| ready.is_true);
        (is_current && object::condition(found, "Conflicted").is_none()).then_some(())
    })
}

#[test]
fn without_a_data_plane_nothing_is_programmed() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    install.scale("dataplane", 0)?;
    namespace.servers("absent", 1)?;
    namespace.apply(&yaml::documents(&[
        yaml::service("absent", "absent", ""),
        yaml::route("absent", "/absent", &[("absent", "")]),
    ]))?;
    let outcome = namespace.condition("mcproutes", "absent", "Programmed", (false, "NoDataPlane"));
    let ready = namespace.condition("mcproutes", "absent", "Ready", (false, "NoDataPlane"));
    install.scale("dataplane", 2)?;
    outcome.and(ready)?;
    namespace.ready("mcproutes", "absent").with_context(|| install.describe())
}

// === impl Case ===

impl Case {
    fn yaml(&self) -> String {
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

    fn check(&self, namespace: &Namespace<'_>) -> Result<()> {
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
