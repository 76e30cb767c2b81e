//! A server that asks in mid-call reaches a client that never opens the GET stream: the question comes on the call's own POST stream, and the answer
//! arrives on another connection, so on another worker.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ringway_e2e::fleet::{Kind, Server};
use ringway_e2e::gateway::{Connections, Gateway};
use ringway_e2e::session::{Session, next_event};
use ringway_e2e::{wait, yaml};
use serde_json::json;

super::both_ways! {
    without_a_get_stream => super::without_a_get_stream,
}

fn without_a_get_stream(connections: Connections) -> Result<()> {
    let server = Server::start(Kind::Everything)?;
    let config =
        yaml::documents(&[yaml::backend("every", &server.url()), yaml::route("every", "/mcp", &[("every", "e")])]);
    let gateway = Gateway::start(&config, connections)?;
    let mut session = Session::open(gateway.address(), "/mcp", &json!({"elicitation": {}}))?;
    // The server adds this tool once it knows that its client can be asked.
    wait::until("the tool that asks", Duration::from_secs(10), || {
        Ok(session
            .names("tools/list", "tools")?
            .iter()
            .any(|name| name == "e_trigger-elicitation-request")
            .then_some(()))
    })?;
    for round in 0..3 {
        let id = format!("call-{round}");
        let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": {"name": "e_trigger-elicitation-request", "arguments": {}}});
        let (mut stream, mut buffered) = (session.post_and_listen(&call)?, Vec::new());
        let question = next_event(&mut stream, &mut buffered).context("the question")?;
        ensure!(question["method"] == "elicitation/create", "not a question: {question}");
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}});
        let reply = session.post(&answer)?;
        ensure!(reply.head.status == 202, "the answer was answered {}: {}", reply.head.status, reply.text());
        let result = next_event(&mut stream, &mut buffered).context("the result")?;
        ensure!(result["id"] == json!(id), "another id: {result}");
        let text = result["result"].to_string().to_lowercase();
        ensure!(text.contains("declin"), "the server did not see the answer: {result}");
    }
    Ok(())
}
