//! The client of both eras against the bundled servers of both eras.

use std::time::Duration;

use ringway_cli::client::{
    Answer, Client, ClientError, Dialog, Elicitation, Endpoint, EraChoice, List, Options, Progress, Unattended,
};
use ringway_cli::demo::Server;
use serde_json::value::RawValue;
use serde_json::{Map, json};

/// Writes down what it is told and answers every form alike.
#[derive(Debug, Default)]
struct Recorder {
    progress: Vec<(f64, Option<f64>)>,
    asked: Vec<String>,
    answer: Option<Map<String, serde_json::Value>>,
}

impl Dialog for Recorder {
    fn progress(&mut self, progress: &Progress) {
        self.progress.push((progress.progress, progress.total));
    }

    fn log(&mut self, _: &str, _: &str) {}

    async fn elicit(&mut self, question: &Elicitation) -> Answer {
        let Elicitation::Form { message, schema } = question else { return Answer::Cancel };
        assert!(schema["properties"]["name"].is_object());
        self.asked.push(message.clone());
        self.answer.clone().map_or(Answer::Decline, Answer::Accept)
    }
}

fn arguments(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

async fn connect(server: &Server, era: EraChoice) -> Result<Client, ClientError> {
    let options = Options { era, silence: Duration::from_secs(20), ..Options::default() };
    Client::connect(Endpoint::parse(&server.url()).unwrap(), options).await
}

/// What must hold in both eras.
async fn contract(mut client: Client) {
    let names: Vec<_> = client.list(List::Tools).await.unwrap().into_iter().map(|tool| tool.name).collect();
    assert_eq!(names, ["add", "ask_name", "countdown", "time"]);

    let big = arguments(r#"{"a": 9007199254740992, "b": 1}"#);
    let sum = client.call("add", &big, &mut Unattended).await.unwrap();
    assert_eq!(sum.structured, Some(json!({ "sum": 9_007_199_254_740_993_i64 })));
    assert!(!sum.is_error);

    let mut watcher = Recorder::default();
    let count = arguments(r#"{"from": 3, "delay_ms": 1}"#);
    let counted = client.call("countdown", &count, &mut watcher).await.unwrap();
    assert_eq!(counted.content[0]["text"], "Counted down from 3");
    assert_eq!(watcher.progress, [(1.0, Some(3.0)), (2.0, Some(3.0)), (3.0, Some(3.0))]);

    let mut willing =
        Recorder { answer: Some(Map::from_iter([("name".to_owned(), json!("Ada"))])), ..Recorder::default() };
    let greeting = client.call("ask_name", &arguments("{}"), &mut willing).await.unwrap();
    assert_eq!(greeting.content[0]["text"], "Hello, Ada!");
    assert_eq!(willing.asked, ["Who is there?"]);
    let declined = client.call("ask_name", &arguments("{}"), &mut Unattended).await.unwrap();
    assert_eq!(declined.content[0]["text"], "No name: decline");

    let failed = client.call("add", &arguments("{}"), &mut Unattended).await.unwrap();
    assert!(failed.is_error);
    let unknown = client.call("rm", &arguments("{}"), &mut Unattended).await.unwrap_err();
    assert!(matches!(unknown, ClientError::Rpc(ref error) if error.code == -32602), "{unknown}");
    client.close().await.unwrap();
}

#[tokio::test]
async fn modern() {
    let server = Server::modern().await.unwrap();
    let client = connect(&server, EraChoice::Auto).await.unwrap();
    assert!(client.is_modern());
    assert_eq!(client.server().name.as_deref(), Some("ringway-demo-modern"));
    assert_eq!(client.server().revision, "2026-07-28");
    contract(client).await;
}

#[tokio::test]
async fn legacy() {
    let server = Server::legacy().await.unwrap();
    let client = connect(&server, EraChoice::Auto).await.unwrap();
    assert!(!client.is_modern());
    assert_eq!(client.server().name.as_deref(), Some("ringway-demo-legacy"));
    assert_eq!(client.server().revision, "2025-11-25");
    contract(client).await;
}

#[tokio::test]
async fn an_era_can_be_insisted_on() {
    let (legacy, modern) = (Server::legacy().await.unwrap(), Server::modern().await.unwrap());
    contract(connect(&legacy, EraChoice::Legacy).await.unwrap()).await;
    contract(connect(&modern, EraChoice::Modern).await.unwrap()).await;
    let error = connect(&legacy, EraChoice::Modern).await.unwrap_err();
    assert!(error.to_string().contains("does not speak 2026-07-28"), "{error}");
    let error = connect(&modern, EraChoice::Legacy).await.unwrap_err();
    assert!(matches!(error, ClientError::Rpc(ref error) if error.code == -32022), "{error}");
}

#[tokio::test]
async fn nobody_there_and_nothing_there_are_told_apart() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = Endpoint::parse(&format!("http://{free}/mcp")).unwrap();
    let error = Client::connect(endpoint, Options::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
    let server = Server::legacy().await.unwrap();
    let endpoint = Endpoint::parse(&format!("{}/other", server.url())).unwrap();
    let error = Client::connect(endpoint, Options::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Status { status: 404, .. }), "{error}");
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = Endpoint::parse(&format!("http://{address}/mcp")).unwrap();
    let options = Options { silence: Duration::from_millis(50), ..Options::default() };
    let error = Client::connect(endpoint, options).await.unwrap_err();
    assert!(matches!(error, ClientError::Silent { .. }), "{error}");
}
