//! The fixed upstream: one nginx worker whose answers are constant. `/a /b /c` are legacy servers with two tools each, `/big-a /big-b /big-c` with a
//! hundred, `/modern` is a modern one with two; `/list-6` and `/list-300` answer what a test put there, for the plain proxy's turn.
//!
//! A call is answered before its body is read, with id 1, as a constant with a length; everything else by its method and with the id it came with.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use ringway_e2e::port::Port;
use ringway_e2e::process::Daemon;
use tempfile::TempDir;

/// What a legacy tool answers.
pub(crate) const CALL_ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"hello from a static upstream"}],"isError":false}}"#;
/// What a modern tool answers.
pub(crate) const MODERN_ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[{"type":"text","text":"hello from a static upstream"}],"isError":false}}"#;
/// Tools of a big server.
const BIG: usize = 100;
/// A parameter in nginx's configuration must stay under 4 KiB.
const TOOLS_PER_ECHO: usize = 8;

/// A running nginx.
#[derive(Debug)]
pub(crate) struct Upstream {
    _daemon: Daemon,
    port: Port,
    folder: TempDir,
}

/// One tool as the list shows it.
pub(crate) fn tool(name: &str) -> String {
    format!(
        r#"{{"name":"{name}","description":"Echo a text back to the caller","inputSchema":{{"type":"object","properties":{{"text":{{"type":"string","description":"what to echo"}}}},"required":["text"]}}}}"#
    )
}

/// The tools of a server: `a` has `a1 a2`, `big-a` has `a1` to `a100`.
pub(crate) fn tools(server: &str) -> Vec<String> {
    let (letter, count) = server.strip_prefix("big-").map_or((server, 2), |letter| (letter, BIG));
    (1..=count).map(|number| format!("{letter}{number}")).collect()
}

// === impl Upstream ===

impl Upstream {
    pub(crate) fn start() -> Result<Self> {
        let folder = tempfile::tempdir().context("a folder for nginx")?;
        let port = Port::claim()?;
        let file = folder.path().join("nginx.conf");
        fs::write(&file, configuration(port.number(), folder.path())).context("nginx's configuration")?;
        fs::create_dir(folder.path().join("www")).context("a folder for nginx")?;
        let mut command = Command::new("taskset");
        command.args(["-c", "0", "nginx", "-p"]).arg(folder.path()).arg("-c").arg(&file);
        command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()));
        let mut daemon = Daemon::start("nginx", &mut command, folder.path())?;
        daemon.listens(port.address(), Duration::from_secs(10))?;
        Ok(Self { _daemon: daemon, port, folder })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    /// Makes `/NAME` answer these bytes.
    pub(crate) fn put(&self, name: &str, body: &[u8]) -> Result<()> {
        fs::write(self.folder.path().join("www").join(name), body).with_context(|| name.to_owned())
    }
}

fn configuration(port: u16, folder: &Path) -> String {
    let mut locations = String::new();
    for server in ["a", "b", "c", "big-a", "big-b", "big-c"] {
        locations.push_str(&legacy(server));
    }
    locations.push_str(&modern());
    for list in ["list-6", "list-300"] {
        // A file is not for POST, says nginx; the file is the answer all the same.
        locations.push_str(&format!("    location = /{list} {{ root www; error_page 405 =200 /{list}; }}\n"));
    }
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("  {kind}_temp_path {kind};\n"))
        .concat();
    format!(
        r#"load_module /usr/lib/nginx/modules/ngx_http_echo_module.so;
worker_processes 1;
daemon off;
master_process off;
error_log stderr error;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off;
{temporary}  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_max_body_size 64m;
  client_body_buffer_size 64k;
  default_type application/json;
  map $request_body $rpc_id {{ default 1; '~"id"\s*:\s*(?<found_id>"[^"]*"|-?[0-9]+)' $found_id; }}
  map $request_body $rpc_method {{ default none; '~"method"\s*:\s*"(?<found_method>[^"]+)"' $found_method; }}
  # On a session, only a call is this long.
  map "$http_mcp_session_id:$content_length" $session_call {{ default ""; "~.:(1[5-9][0-9]|[2-9][0-9][0-9])$" 1; }}
  map "$http_mcp_method" $modern_call {{ default ""; "tools/call" 1; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
{locations}  }}
}}
"#,
        folder = folder.display()
    )
}

/// The locations of one server: the entry, and one per method.
fn server(name: &str, hot: &str, answer: &str, methods: &[(&str, String)]) -> String {
    let mut text = format!(
        "    location = /{name} {{\n      if ($request_method = GET) {{ return 405; }}\n      if ($request_method = DELETE) {{ return 200; }}\n      \
         if ({hot}) {{ return 200 '{answer}'; }}\n      echo_read_request_body;\n      echo_exec /rpc/{name}/$rpc_method;\n    }}\n"
    );
    for (method, statements) in methods {
        text.push_str(&format!("    location = /rpc/{name}/{method} {{ internal; {statements} }}\n"));
    }
    let unknown = r#"echo -n '{"jsonrpc":"2.0","id":$rpc_id,"error":{"code":-32601,"message":"Method not found"}}';"#;
    text.push_str(&format!("    location /rpc/{name}/notifications/ {{ internal; return 202; }}\n"));
    text.push_str(&format!("    location /rpc/{name}/ {{ internal; {unknown} }}\n"));
    text
}

fn result(body: &str) -> String {
    format!(r#"echo -n '{{"jsonrpc":"2.0","id":$rpc_id,"result":{body}}}';"#)
}

/// A list in several statements, each short enough.
fn list(names: &[String], before: &str, after: &str) -> String {
    let mut statements = format!(r#"echo -n '{{"jsonrpc":"2.0","id":$rpc_id,"result":{{{before}"tools":[';"#);
    for (number, part) in names.chunks(TOOLS_PER_ECHO).enumerate() {
        let part: Vec<_> = part.iter().map(|name| tool(name)).collect();
        let comma = if number == 0 { "" } else { "," };
        statements.push_str(&format!(" echo -n '{comma}{}';", part.join(",")));
    }
    statements.push_str(&format!(" echo -n ']{after}}}}}';"));
    statements
}

fn legacy(name: &str) -> String {
    let initialize = format!(
        r#"add_header Mcp-Session-Id static-session-{name}; {}"#,
        result(
            r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"static","version":"1"}}"#
        )
    );
    let call = result(r#"{"content":[{"type":"text","text":"hello from a static upstream"}],"isError":false}"#);
    let methods = [
        ("initialize", initialize),
        ("ping", result("{}")),
        ("tools/list", list(&tools(name), "", "")),
        ("tools/call", call),
    ];
    server(name, "$session_call", CALL_ANSWER, &methods)
}

fn modern() -> String {
    let discover = result(
        r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":3600000,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"static","version":"1"}}}"#,
    );
    let list = list(&tools("m"), r#""resultType":"complete","#, r#","ttlMs":3600000,"cacheScope":"public""#);
    server("modern", "$modern_call", MODERN_ANSWER, &[("server/discover", discover), ("tools/list", list)])
}
