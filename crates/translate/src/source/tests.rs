use super::parse_documents;
use crate::object::Content;

fn problems(text: &str) -> Vec<String> {
    parse_documents("f.yaml", text).1.iter().map(ToString::to_string).collect()
}

const HEAD: &str = "apiVersion: ringway.dev/v1alpha1\nkind: MCPBackend\nmetadata: {name: b, namespace: t}\n";

#[test]
fn every_misfit_of_a_document_is_told_at_its_line() {
    let text = format!(
        "{HEAD}spec:\n  ulr: http://x\n  transport: auto\n  timeouts: {{connect: 5, request: 1x}}\n  limits:\n    maxConnections: -1\n  host: Off\n  tls:\n"
    );
    assert_eq!(
        problems(&text),
        [
            "f.yaml:5:3: MCPBackend t/b: spec.ulr: UnknownField: unknown field, expected one of service, url, stdio, host, transport, protocolVersion, sessionAffinity, tls, credentials, forwardHeaders, claimHeaders, trust, timeouts, retries, healthCheck, limits, toolPinning",
            "f.yaml:6:3: MCPBackend t/b: spec.transport: UnsupportedValue: `auto` is none of Auto, StreamableHTTP, SSE, WebSocket, GRPC",
            "f.yaml:7:14: MCPBackend t/b: spec.timeouts.connect: InvalidValue: expected a duration such as `30s`, `1h30m` or `500ms`, found a number",
            "f.yaml:7:26: MCPBackend t/b: spec.timeouts.request: InvalidValue: `x` is not a unit of a duration: h, m, s or ms",
            "f.yaml:9:5: MCPBackend t/b: spec.limits.maxConnections: InvalidValue: expected a whole number, 0 or more",
            "f.yaml:10:3: MCPBackend t/b: spec.host: InvalidValue: expected a string, found `Off`, which YAML 1.1 reads as the boolean false; quote it",
            "f.yaml:11:3: MCPBackend t/b: spec.tls: InvalidValue: has no value: write one, or leave the field out",
        ]
    );
}

#[test]
fn an_error_in_one_document_hides_none_in_the_next() {
    let text = format!("a: [1\n---\n{HEAD}spec: {{url: 1}}\n---\nb: c: d\n---\n{HEAD}spec: {{url: \"http://x\"}}\n");
    let (objects, problems) = parse_documents("f.yaml", &text);
    let shown: Vec<_> = problems.iter().map(|p| (p.line, p.reason.to_string())).collect();
    assert_eq!(shown, [(1, "InvalidSyntax".into()), (6, "InvalidValue".into()), (8, "InvalidSyntax".into())]);
    assert_eq!(objects.len(), 2);
    assert!(matches!(objects[0].content, Content::Refused { .. }));
    assert!(matches!(objects[1].content, Content::Backend(_)));
}

#[test]
fn doubled_and_boolean_keys_are_errors() {
    let text = format!(
        "{HEAD}spec:\n  url: http://a\n  url: http://b\n  stdio:\n    command: x\n    env: {{NO: a, \"Off\": b, No: c, y: d, yEs: e}}\n"
    );
    assert_eq!(
        problems(&text),
        [
            "f.yaml:6:3: MCPBackend t/b: spec.url: DuplicateField: stands twice in the same mapping",
            "f.yaml:9:11: MCPBackend t/b: spec.stdio.env.NO: InvalidValue: YAML 1.1 reads the key `NO` as a boolean; quote it",
            "f.yaml:9:28: MCPBackend t/b: spec.stdio.env.No: InvalidValue: YAML 1.1 reads the key `No` as a boolean; quote it",
            "f.yaml:9:35: MCPBackend t/b: spec.stdio.env.y: InvalidValue: YAML 1.1 reads the key `y` as a boolean; quote it",
        ]
    );
}

#[test]
fn scalars_are_read_as_kubectl_reads_them() {
    let text = format!(
        "{HEAD}spec:\n  url: http://a\n  protocolVersion: 2025-11-25\n  trust: {{annotations: On}}\n  limits: {{maxConnections: 010}}\n"
    );
    let (objects, problems) = parse_documents("f.yaml", &text);
    assert_eq!(problems, []);
    let Content::Backend(spec) = &objects[0].content else { panic!("refused") };
    assert_eq!(spec.protocol_version.revision(), Some("2025-11-25"));
    assert!(spec.trust.annotations);
    assert_eq!(spec.limits.max_connections, Some(8));
}

#[test]
fn identity_is_checked_first() {
    assert_eq!(problems("- 1\n"), ["f.yaml:1:1: InvalidValue: a document is a mapping with apiVersion and kind"]);
    assert_eq!(
        problems("kind: MCPRoute\n"),
        ["f.yaml:1:1: MCPRoute default/?: apiVersion: RequiredValue: must be set"]
    );
    assert_eq!(
        problems("apiVersion: v1\nkind: Secret\nmetadata: {nmae: x}\n"),
        [
            "f.yaml:3:1: Secret default/?: metadata.name: RequiredValue: must be set",
            "f.yaml:3:12: Secret default/?: metadata.nmae: UnknownField: unknown field, expected one of name, namespace, labels, annotations, creationTimestamp, uid, resourceVersion, generation, managedFields, ownerReferences, finalizers, selfLink",
        ]
    );
    assert_eq!(
        problems("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n"),
        [
            "f.yaml:2:1: warning: Deployment default/x: kind: Ignored: Deployment of apps/v1 is not read here and has no effect"
        ]
    );
    assert_eq!(
        problems("apiVersion: ringway.dev/v1alpha1\nkind: RESTBridge\nmetadata: {name: x}\n"),
        ["f.yaml:2:1: RESTBridge default/x: kind: UnsupportedValue: kind RESTBridge is not served by this version"]
    );
}

#[test]
fn a_list_counts_as_its_items_and_server_fields_are_known() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: ringway.dev/v1alpha1\n  kind: MCPBackend\n  metadata: {name: a, creationTimestamp: null, uid: x, resourceVersion: \"1\", generation: 2}\n  spec: {url: \"http://a\"}\n  status: {tools: 3}\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: s}\n  data: 5\n";
    let (objects, problems) = parse_documents("f.yaml", text);
    assert_eq!(objects.len(), 2);
    assert_eq!(
        problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["f.yaml:12:3: Secret default/s: data: InvalidValue: expected a mapping, found a number"]
    );
}

#[test]
fn secrets_never_show() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: hunter2, b: 918273, c: [hunter2]}\ndata: {x: hunter2}\n";
    let (objects, problems) = parse_documents("f.yaml", text);
    let shown = format!("{objects:?} {problems:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("918273"), "{shown}");
    assert_eq!(problems.len(), 2);
    let good = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: hunter2}\n";
    let shown = format!("{:?}", parse_documents("f.yaml", good));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn hostile_documents_end_in_problems() {
    let bomb = format!(
        "a0: &a0 [x,x,x,x,x,x,x,x,x]\n{}",
        (1..10).map(|i| format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(","))).collect::<String>()
    );
    let deep = "[".repeat(20_000);
    for text in [
        bomb.as_str(),
        deep.as_str(),
        "a: *x",
        "a: \"\\x\"",
        "\u{0}",
        "? [a]\n: b\n",
        "!!binary x: y",
        "%YAML 9.9\n---\na: 1",
        "a: 1\n...\nb: 1",
        "null: 1",
        "a: .inf",
    ] {
        let (objects, problems) = parse_documents("f.yaml", text);
        assert!(objects.is_empty());
        assert!(!problems.is_empty(), "{:?}", text.chars().take(20).collect::<String>());
        assert!(problems.iter().all(|p| p.line > 0 && p.column > 0), "{problems:?}");
    }
}

#[test]
fn a_bomb_is_told_in_words() {
    let deep = format!("a: {}{}", "[".repeat(100), "]".repeat(100));
    let told = problems(&deep);
    assert!(
        told[0].ends_with("InvalidSyntax: the document is too large: at most 20000 values, 64 levels deep"),
        "{told:?}"
    );
}
