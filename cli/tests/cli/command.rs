//! The binary as a shell sees it: output, exit codes, files.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use ringway_cli::demo::Server;
use serde_json::Value;

pub(crate) fn ringway(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringway"));
    command.args(arguments).stdin(Stdio::null()).env_remove("RINGWAY_LOG").env_remove("RINGWAY_TOKEN");
    command
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    finish(ringway(arguments).output().unwrap())
}

fn finish(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Runs while this test's runtime serves the servers.
async fn against(arguments: &[&str]) -> (i32, String, String) {
    let mut command = tokio::process::Command::from(ringway(arguments));
    finish(command.output().await.unwrap())
}

pub(crate) const GOOD: &str = "\
apiVersion: ringway.dev/v1alpha1
kind: MCPBackend
metadata: { name: one }
spec: { url: 'http://127.0.0.1:1/mcp' }
---
apiVersion: ringway.dev/v1alpha1
kind: MCPRoute
metadata: { name: all }
spec:
  backends: [{ ref: { name: one } }]
  authentication: { anonymous: true }
  authorization: Open
";

pub(crate) fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

pub(crate) fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_good_configuration_is_silent_on_standard_output() {
    let good = directory(&[("all.yaml", GOOD)]);
    let (code, out, err) = run(&["validate", "-f", text_of(good.path())]);
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    assert_eq!(err, "0 errors, 0 warnings: 1 good route and 1 good backend in 1 file\n");
}

#[test]
fn every_problem_is_named_with_file_line_and_field() {
    let broken = GOOD.replace("authorization: Open", "authorisation: Open");
    let broken = broken.replace("url: 'http://127.0.0.1:1/mcp'", "url: 'ftp://127.0.0.1/'");
    let bad = directory(&[("a.yaml", &broken), ("b.yaml", "kind: [\n"), ("c.txt", "not looked at")]);
    let (code, out, err) = run(&["validate", "-f", text_of(bad.path())]);
    assert_eq!(code, 1, "{out}{err}");
    let file = bad.path().join("a.yaml");
    let place = |line: u32| format!("{}:{line}:", file.display());
    let line_with =
        |needle: &str| out.lines().find(|line| line.contains(needle)).unwrap_or_else(|| panic!("{needle}: {out}"));
    let unknown = line_with("authorisation");
    assert!(unknown.starts_with(&place(12)) && unknown.contains("UnknownField"), "{unknown}");
    let scheme = line_with("spec.url");
    assert!(scheme.starts_with(&place(4)) && scheme.contains("MCPBackend default/one"), "{scheme}");
    assert!(line_with("b.yaml").contains("InvalidSyntax"));
    assert!(!out.contains('\u{1b}'), "no colour in a pipe");
}

#[test]
fn problems_are_data_for_programs() {
    let bad = directory(&[("a.yaml", &GOOD.replace("authorization: Open", "authorization: Closed"))]);
    let (code, out, _) = run(&["validate", "-f", text_of(bad.path()), "-o", "json"]);
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &found[0]["severity"], &found[0]["line"]), (1, &"error".into(), &12.into()), "{out}");
    assert_eq!(
        (&found[0]["field"], &found[0]["object"]),
        (&"spec.authorization".into(), &"MCPRoute default/all".into())
    );
    let (code, out, _) = run(&["validate", "-f", text_of(bad.path()), "-o", "yaml"]);
    assert!(code == 1 && out.contains("field: spec.authorization"), "{out}");
}

#[test]
fn an_operators_rules_can_be_asked_before_applying() {
    let rules = "namespace: ringway-system\nname: ringway\nrouteNamespaces: [tools]\nsecretNamespaces: [tools]\n\
                 ports: [80]\ndefaultListener: { port: 80 }\n";
    let config = directory(&[("all.yaml", GOOD)]);
    let settings = directory(&[("operator.yaml", rules), ("typo.yaml", &rules.replace("ports", "port"))]);
    let (operator, typo) = (settings.path().join("operator.yaml"), settings.path().join("typo.yaml"));
    let check = |rules: &Path| run(&["validate", "-f", text_of(config.path()), "--cluster-rules", text_of(rules)]);
    let (code, out, _) = check(&operator);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("all.yaml:4:") && out.contains("spec.url"), "a private address: {out}");
    assert!(out.contains("MCPRoute default/all"), "a namespace that was not named: {out}");
    let (code, _, err) = check(&typo);
    assert!(code == 1 && err.contains("typo.yaml") && err.contains("port"), "{err}");
}

#[test]
fn standard_input_can_be_checked() {
    let mut child = ringway(&["validate", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"kind: MCPRoute\n").unwrap();
    let (code, out, _) = finish(child.wait_with_output().unwrap());
    assert!(code == 1 && out.starts_with("<stdin>:1:"), "{out}");
}

#[test]
fn what_cannot_be_read_is_one_line() {
    for path in ["/nonexistent", text_of(tempfile::tempdir().unwrap().path())] {
        let (code, out, err) = run(&["validate", "-f", path]);
        assert_eq!((code, out.as_str(), err.lines().count()), (1, "", 1), "{err}");
        assert!(err.starts_with("error: ") && err.contains(path), "{err}");
    }
}

#[test]
fn help_documents_commands_and_exit_codes() {
    let (code, out, _) = run(&["--help"]);
    assert_eq!(code, 0);
    let commands =
        ["run", "demo", "validate", "tools", "prompts", "resources", "call", "status", "config dump", "completions"];
    for word in commands.iter().map(|command| command.split(' ').next().unwrap()).chain(["Exit codes:", "  130  "]) {
        assert!(out.contains(word), "{word}: {out}");
    }
    for command in commands {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let (code, out, _) = run(&words);
        assert!(code == 0 && out.contains(&format!("Usage: ringway {command}")), "{out}");
    }
    let (code, out, _) = run(&["completions", "bash"]);
    assert!(code == 0 && out.contains("_ringway()") && out.contains("ringway__subcmd__status"), "{out}");
    assert_eq!(run(&["nonsense"]).0, 2);
    assert_eq!(run(&["validate"]).0, 2);
    assert_eq!(run(&["--log-level", "ringway=nonsense", "validate", "-f", "/"]).0, 2);
}

#[tokio::test]
async fn tools_are_listed_in_every_format() {
    for server in [Server::legacy().await.unwrap(), Server::modern().await.unwrap()] {
        let (code, out, err) = against(&["tools", &server.url()]).await;
        let rows: Vec<_> = out.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
        assert_eq!((code, rows), (0, vec!["NAME", "add", "ask_name", "countdown", "time"]), "{out}{err}");
        assert!(err.starts_with("ringway-demo-"), "{err}");
        let (_, out, _) = against(&["tools", &server.url(), "-o", "json"]).await;
        let tools: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(tools[0]["inputSchema"]["required"], serde_json::json!(["a", "b"]));
        let (_, out, _) = against(&["tools", &server.url(), "-o", "yaml"]).await;
        assert!(out.contains("name: countdown"), "{out}");
    }
}

#[tokio::test]
async fn calls_print_their_result_alone_on_standard_output() {
    for server in [Server::legacy().await.unwrap(), Server::modern().await.unwrap()] {
        let url = server.url();
        let (code, out, _) = against(&["call", &url, "add", r#"{"a": 9007199254740992, "b": 1}"#]).await;
        assert_eq!((code, out.as_str()), (0, "9007199254740993\n"));
        let (code, out, err) = against(&["call", &url, "countdown", r#"{"from": 2, "delay_ms": 1}"#]).await;
        assert_eq!((code, out.as_str()), (0, "Counted down from 2\n"));
        assert!(err.contains("progress 1/2 1 to go") && err.contains("progress 2/2"), "{err}");
        let (code, out, _) = against(&["call", &url, "add", r#"{"a":1,"b":2}"#, "-o", "json"]).await;
        let result: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &result["structuredContent"]["sum"]), (0, &3.into()));
    }
}

#[tokio::test]
async fn questions_are_answered_from_the_command_line_or_declined() {
    for server in [Server::legacy().await.unwrap(), Server::modern().await.unwrap()] {
        let url = server.url();
        let (code, out, err) = against(&["call", &url, "ask_name"]).await;
        assert_eq!((code, out.as_str()), (0, "No name: decline\n"));
        assert!(err.contains("declined") && err.contains("Who is there?"), "{err}");
        let (_, out, _) = against(&["call", &url, "ask_name", "--yes"]).await;
        assert_eq!(out, "No name: decline\n", "a name has no default");
        let (_, out, _) = against(&["call", &url, "ask_name", "--answer", r#"{"name":"Ada"}"#]).await;
        assert_eq!(out, "Hello, Ada!\n");
    }
}

#[tokio::test]
async fn failures_have_codes() {
    let server = Server::modern().await.unwrap();
    let url = server.url();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = format!("http://{gone}/mcp");
    let elsewhere = format!("{url}/elsewhere");
    for (arguments, expected, says) in [
        (vec!["call", &url, "add", "{}"], 3, "a must be a number"),
        (vec!["tools", &gone], 4, "cannot connect"),
        (vec!["tools", &elsewhere], 5, "HTTP 404"),
        (vec!["call", &url, "rm"], 6, "Unknown tool: rm"),
        (vec!["tools", "localhost:8080"], 2, "only http and https"),
        (vec!["call", &url, "add", "[]"], 2, "no JSON object"),
        (vec!["call", &url, "add", "--answer", "3"], 2, "--answer"),
        (vec!["tools", &url, "-H", "broken"], 2, "a header is"),
        (vec!["tools", &url, "--ca-cert", "/nonexistent"], 1, "/nonexistent"),
    ] {
        let (code, out, err) = against(&arguments).await;
        assert_eq!(code, expected, "{arguments:?}: {out}{err}");
        assert!(format!("{out}{err}").contains(says), "{arguments:?}: {out}{err}");
    }
}

/// A kubeconfig of a cluster that nobody serves, or another answer of whoever is at `server`.
fn kubeconfig(server: &str) -> tempfile::TempDir {
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{ name: c, cluster: {{ server: '{server}' }} }}]\n\
         contexts: [{{ name: c, context: {{ cluster: c, user: u }} }}]\nusers: [{{ name: u, user: {{}} }}]\n"
    );
    directory(&[("config", &text)])
}

#[test]
fn a_cluster_that_cannot_be_reached_is_told_from_a_wrong_command_line() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = kubeconfig(&format!("http://{gone}"));
    let file = config.path().join("config");
    let file = text_of(&file);
    let (code, out, err) = run(&["status", "--kubeconfig", file, "-o", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["result"], &report["problems"]), (4, &"problem".into(), &1.into()), "{err}");
    for (arguments, expected, says) in [
        (vec!["tools", "tools/route", "--kubeconfig", file], 4, gone.to_string()),
        (vec!["config", "dump", "--kubeconfig", file], 4, gone.to_string()),
        (vec!["status", "--kubeconfig", file, "--context", "other"], 2, "other".to_owned()),
        (vec!["status", "--kubeconfig", "/nonexistent/config"], 2, "/nonexistent/config".to_owned()),
        (vec!["tools", "route", "--kubeconfig", file], 2, "NAMESPACE/ROUTE".to_owned()),
        (vec!["status", "--wait", "soon"], 2, "duration".to_owned()),
    ] {
        let (code, out, err) = run(&arguments);
        assert_eq!(code, expected, "{arguments:?}: {out}{err}");
        assert!(err.contains(&says), "{arguments:?}: {err}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_ends_a_wait_with_what_was_found() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = kubeconfig(&format!("http://{gone}"));
    let file = config.path().join("config");
    let arguments = ["status", "--wait", "10m", "-o", "json", "--kubeconfig", text_of(&file)];
    let mut command = tokio::process::Command::from(ringway(&arguments));
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("waiting: ") {
        assert_ne!(tokio::io::AsyncReadExt::read_buf(&mut stderr, &mut seen).await.unwrap(), 0);
    }
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), child.wait_with_output()).await.unwrap();
    let (code, out, _) = finish(ended.unwrap());
    assert!(code == 130 && out.contains(&gone.to_string()), "{code}: {out}");
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_cancels_a_call() {
    let server = Server::legacy().await.unwrap();
    let arguments = ["call", &server.url(), "countdown", r#"{"from": 600, "delay_ms": 100}"#];
    let mut command = tokio::process::Command::from(ringway(&arguments));
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // The first progress shows that the call runs.
    let mut stderr = child.stderr.take().unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("progress 1/600") {
        assert_ne!(tokio::io::AsyncReadExt::read_buf(&mut stderr, &mut seen).await.unwrap(), 0);
    }
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), child.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(130));
}
