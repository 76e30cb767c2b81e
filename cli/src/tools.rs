//! `ringway tools`: the tools of a server.

use std::io;

use serde_json::Value;

use crate::call;
use crate::client::Tool;
use crate::exit::{CommandError, Exit};
use crate::output::{self, DIM, Format, one_line};
use crate::remote::Remote;

/// Lists them.
///
/// # Errors
/// When the server cannot be asked or the list not written.
pub async fn tools(remote: &Remote, format: Format) -> Result<Exit, CommandError> {
    let mut client = remote.connect().await?;
    let tools = client.tools().await?;
    let server = client.server().clone();
    call::end(client).await;
    match format {
        Format::Json => {
            let raw: Vec<&str> = tools.iter().map(|tool| tool.raw.get()).collect();
            output::line(&format!("[{}]", raw.join(",\n")))?;
        }
        Format::Yaml => {
            let parsed: Result<Vec<Value>, _> = tools.iter().map(|tool| serde_json::from_str(tool.raw.get())).collect();
            output::yaml(&parsed.map_err(io::Error::other)?)?;
        }
        Format::Table => {
            let who = one_line(server.name.as_deref().unwrap_or("a server without a name"));
            let version = one_line(server.version.as_deref().unwrap_or_default());
            output::note(&format!("{DIM}{who} {version}, MCP {}{DIM:#}", server.revision));
            output::table(&["NAME", "DESCRIPTION"], tools.iter().map(row))?;
        }
    }
    Ok(Exit::Done)
}

fn row(tool: &Tool) -> Vec<String> {
    let text = tool.description.as_deref().or(tool.title.as_deref()).unwrap_or_default();
    vec![tool.name.clone(), text.to_owned()]
}
