//! `ringway tools`, `prompts`, `resources`: what a server lists.

use std::io;

use serde_json::Value;

use crate::call;
use crate::client::{List, Listed};
use crate::exit::{CommandError, Exit};
use crate::output::{self, DIM, Format, one_line};
use crate::remote::Remote;

/// Lists.
///
/// # Errors
/// When the server cannot be asked or the list not written.
pub async fn list(remote: &Remote, list: List, format: Format) -> Result<Exit, CommandError> {
    let mut client = remote.connect().await?;
    let entries = client.list(list).await?;
    let server = client.server().clone();
    call::end(client).await;
    match format {
        Format::Json => {
            let raw: Vec<&str> = entries.iter().map(|entry| entry.raw.get()).collect();
            output::line(&format!("[{}]", raw.join(",\n")))?;
        }
        Format::Yaml => {
            let parsed: Result<Vec<Value>, _> = entries.iter().map(|one| serde_json::from_str(one.raw.get())).collect();
            output::yaml(&parsed.map_err(io::Error::other)?)?;
        }
        Format::Table => {
            let who = one_line(server.name.as_deref().unwrap_or("a server without a name"));
            let version = one_line(server.version.as_deref().unwrap_or_default());
            output::note(&format!("{DIM}{who} {version}, MCP {}{DIM:#}", server.revision));
            output::table(headings(list), entries.iter().map(|entry| row(list, entry)))?;
        }
    }
    Ok(Exit::Done)
}

fn headings(list: List) -> &'static [&'static str] {
    match list {
        List::Tools | List::Prompts => &["NAME", "DESCRIPTION"],
        List::Resources => &["URI", "NAME", "DESCRIPTION"],
        List::ResourceTemplates => &["URI TEMPLATE", "NAME", "DESCRIPTION"],
    }
}

fn row(list: List, entry: &Listed) -> Vec<String> {
    let text = entry.description.as_deref().or(entry.title.as_deref()).unwrap_or_default();
    let named = [entry.name.clone(), text.to_owned()];
    match list {
        List::Tools | List::Prompts => named.to_vec(),
        List::Resources | List::ResourceTemplates => {
            [entry.uri.clone().unwrap_or_default()].into_iter().chain(named).collect()
        }
    }
}
