//! `ringway call`: one call of one tool.

use std::io;
use std::path::Path;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::client::{CallResult, Client, ClientError};
use crate::exit::{CommandError, Exit};
use crate::output::{self, BAD, Format, printable};
use crate::remote::Remote;
use crate::terminal::{Answers, Terminal};

/// What to call, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct Call {
    #[command(flatten)]
    remote: Remote,
    /// The tool's name, as `ringway tools` shows it
    tool: String,
    /// A JSON object; `@FILE` reads it from a file
    #[arg(default_value = "{}")]
    arguments: String,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// Ask nobody: answer forms with their defaults, decline where a required field has none
    #[arg(long, conflicts_with = "answer")]
    yes: bool,
    /// Answer every form with this JSON object
    #[arg(long, value_name = "JSON")]
    answer: Option<String>,
}

/// Calls, and shows progress and questions on the way.
///
/// # Errors
/// When the call cannot be made or its result not written. A tool that failed is an exit code.
pub async fn call(call: &Call) -> Result<Exit, CommandError> {
    let arguments = arguments(&call.arguments)?;
    let mut terminal = Terminal::new(answers(call)?);
    let mut client = call.remote.connect().await?;
    let interrupted = tokio::select! {
        outcome = client.call(&call.tool, &arguments, &mut terminal) => Some(outcome),
        _ = tokio::signal::ctrl_c() => None,
    };
    terminal.finish();
    end(client).await;
    match interrupted {
        None => Ok(Exit::Interrupted),
        Some(outcome) => {
            let result = outcome.map_err(advise)?;
            show(&result, call.output)?;
            Ok(if result.is_error { Exit::ToolError } else { Exit::Done })
        }
    }
}

/// Ends the client; that its session stays behind is no failure of the command.
pub(crate) async fn end(client: Client) {
    if let Err(error) = client.close().await {
        tracing::warn!(%error, "the session could not be ended");
    }
}

/// Pages that a 2025-11-25 server wants visited before it is asked again.
fn advise(error: ClientError) -> CommandError {
    if let ClientError::Rpc(rpc) = &error
        && rpc.code == ringway_mcp::error::URL_ELICITATION_REQUIRED
    {
        output::note("The server wants you to visit the pages named below, then to call again.");
    }
    error.into()
}

fn answers(call: &Call) -> Result<Answers, CommandError> {
    match &call.answer {
        Some(text) => match serde_json::from_str::<Map<String, Value>>(text) {
            Ok(values) => Ok(Answers::Given(values)),
            Err(error) => Err(CommandError::Usage(format!("--answer is no JSON object: {error}"))),
        },
        None if call.yes => Ok(Answers::Defaults),
        None => Ok(Answers::Ask),
    }
}

/// The arguments as typed: they reach the server byte for byte.
fn arguments(text: &str) -> Result<Box<RawValue>, CommandError> {
    let text = match text.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(Path::new(file))
            .map_err(|error| CommandError::Usage(format!("arguments from {file}: {error}")))?,
        None => text.to_owned(),
    };
    let wrong = |reason: String| CommandError::Usage(format!("the arguments are no JSON object: {reason}"));
    let raw: Box<RawValue> = serde_json::from_str(text.trim()).map_err(|error| wrong(error.to_string()))?;
    if !raw.get().starts_with('{') {
        return Err(wrong(format!("found {}", output::one_line(raw.get()))));
    }
    Ok(raw)
}

/// Prints a result.
///
/// # Errors
/// When it cannot be written.
pub fn show(result: &CallResult, format: Format) -> io::Result<()> {
    match format {
        Format::Json => return output::line(result.raw.get()),
        Format::Yaml => {
            let parsed: Value = serde_json::from_str(result.raw.get()).map_err(io::Error::other)?;
            return output::yaml(&parsed);
        }
        Format::Table => {}
    }
    if result.is_error {
        output::note(&format!("{BAD}The tool reports an error:{BAD:#}"));
    }
    for block in &result.content {
        output::line(&printable(&describe(block)))?;
    }
    if let (true, Some(structured)) = (result.content.is_empty(), &result.structured) {
        output::line(&serde_json::to_string_pretty(structured).map_err(io::Error::other)?)?;
    }
    Ok(())
}

/// A content block in words.
fn describe(block: &Value) -> String {
    let text = |key: &str| block.get(key).and_then(Value::as_str);
    let kind = text("type").unwrap_or("unknown");
    match kind {
        "text" => text("text").unwrap_or_default().to_owned(),
        "image" | "audio" => {
            let bytes = text("data").unwrap_or_default().len() / 4 * 3;
            format!("[{kind} {}, about {bytes} bytes; -o json shows it]", text("mimeType").unwrap_or("of unknown type"))
        }
        "resource_link" => format!("[link {} {}]", text("uri").unwrap_or_default(), text("name").unwrap_or_default()),
        "resource" => {
            let resource = block.get("resource").cloned().unwrap_or_default();
            let part = |key: &str| resource.get(key).and_then(Value::as_str).map(str::to_owned);
            part("text").unwrap_or_else(|| format!("[resource {}]", part("uri").unwrap_or_default()))
        }
        other => format!("[{other}: -o json shows it]"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_stay_as_typed_and_must_be_an_object() {
        assert_eq!(
            arguments(r#" {"b": 1.0, "a": 12345678901234567890123} "#).unwrap().get(),
            r#"{"b": 1.0, "a": 12345678901234567890123}"#
        );
        for wrong in ["", "[]", "3", "{", "{} {}"] {
            assert_eq!(arguments(wrong).unwrap_err().exit(), Exit::Usage, "{wrong}");
        }
        assert!(arguments("@/nonexistent").unwrap_err().to_string().contains("/nonexistent"));
    }

    #[test]
    fn every_kind_of_content_has_words() {
        for (block, expected) in [
            (json!({ "type": "text", "text": "hi" }), "hi"),
            (
                json!({ "type": "image", "mimeType": "image/png", "data": "AAAA" }),
                "[image image/png, about 3 bytes; -o json shows it]",
            ),
            (json!({ "type": "resource_link", "uri": "a://b", "name": "n" }), "[link a://b n]"),
            (json!({ "type": "resource", "resource": { "uri": "a://b", "text": "t" } }), "t"),
            (json!({ "type": "resource", "resource": { "uri": "a://b", "blob": "" } }), "[resource a://b]"),
            (json!({ "type": "hologram" }), "[hologram: -o json shows it]"),
            (json!(3), "[unknown: -o json shows it]"),
        ] {
            assert_eq!(describe(&block), expected);
        }
    }
}
