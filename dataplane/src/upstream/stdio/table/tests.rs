//! Routing on one process.

use super::*;

fn out(table: &mut Table, body: &'static str) -> Outbound {
    let body = Bytes::from_static(body.as_bytes());
    let envelope = scan(&body, &WIDE).unwrap();
    table.outbound(&body, &envelope).unwrap()
}

fn request(table: &mut Table, body: &'static str) -> (String, Inbox) {
    match out(table, body) {
        Outbound::Request(line, inbox) => (String::from_utf8(line.to_vec()).unwrap(), inbox),
        other => panic!("{other:?}"),
    }
}

fn one_way(table: &mut Table, body: &'static str) -> String {
    match out(table, body) {
        Outbound::OneWay(line) => String::from_utf8(line.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn says(table: &mut Table, line: &'static str) -> Inbound {
    table.inbound(&Bytes::from_static(line.as_bytes()))
}

fn got(inbox: &mut Inbox) -> Option<(String, bool)> {
    let delivery = inbox.receiver.try_recv().ok()?;
    Some((String::from_utf8(delivery.data.to_vec()).unwrap(), delivery.last))
}

const CALL_7: &str =
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t","arguments":{"n":9007199254740993}}}"#;

#[test]
fn ids_and_tokens_come_back_byte_for_byte() {
    let mut table = Table::default();
    let (line, mut string) = request(
        &mut table,
        "{\"jsonrpc\":\"2.0\",\n\"id\":\"a\\u00e9\",\"method\":\"x\",\"params\":{\"_meta\":{\"progressToken\":\"tok\"}}}",
    );
    assert_eq!(line, "{\"jsonrpc\":\"2.0\", \"id\":1,\"method\":\"x\",\"params\":{\"_meta\":{\"progressToken\":1}}}\n");
    let (line, mut integer) = request(&mut table, CALL_7);
    assert!(line.contains(r#""id":2,"#) && line.contains("9007199254740993"), "{line}");

    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
    assert_eq!(says(&mut table, progress), Inbound::Delivered);
    assert_eq!(says(&mut table, r#"{"jsonrpc":"2.0","id":2,"result":{"v":1}}"#), Inbound::Delivered);
    assert_eq!(says(&mut table, r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}"#), Inbound::Delivered);
    // A second answer, one to nobody, and progress of a call without a token.
    assert_eq!(says(&mut table, r#"{"jsonrpc":"2.0","id":2,"result":{}}"#), Inbound::Dropped);
    assert_eq!(says(&mut table, r#"{"jsonrpc":"2.0","id":"2","result":{}}"#), Inbound::Dropped);
    assert_eq!(says(&mut table, progress), Inbound::Dropped);

    let expected =
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"tok","progress":1}}"#;
    assert_eq!(got(&mut string), Some((expected.to_owned(), false)));
    let expected = r#"{"jsonrpc":"2.0","id":"a\u00e9","error":{"code":1,"message":"m"}}"#;
    assert_eq!(got(&mut string), Some((expected.to_owned(), true)));
    assert_eq!(got(&mut integer), Some((r#"{"jsonrpc":"2.0","id":7,"result":{"v":1}}"#.to_owned(), true)));
}

#[test]
fn an_error_without_an_id_belongs_to_the_only_call() {
    for id in [r#""id":null,"#, ""] {
        let line = Bytes::from(format!(r#"{{"jsonrpc":"2.0",{id}"error":{{"code":-32700,"message":"m"}}}}"#));
        let mut table = Table::default();
        let (_, mut one) = request(&mut table, CALL_7);
        assert_eq!(table.inbound(&line), Inbound::Delivered);
        assert!(got(&mut one).is_some_and(|(_, last)| last));
        let (_, mut one) = request(&mut table, CALL_7);
        let (_, mut other) = request(&mut table, CALL_7);
        assert_eq!(table.inbound(&line), Inbound::Dropped);
        assert_eq!((got(&mut one), got(&mut other)), (None, None));
    }
}

#[test]
fn requests_of_the_server_go_to_the_sole_call_then_the_listener_then_back() {
    let ask = r#"{"jsonrpc":"2.0","id":"s-0","method":"elicitation/create","params":{}}"#;
    let mut table = Table::default();
    let refused =
        r#"{"jsonrpc":"2.0","id":"s-0","error":{"code":-32601,"message":"no request of the client is in progress"}}"#;
    assert_eq!(says(&mut table, ask), Inbound::Reply(Bytes::from(format!("{refused}\n"))));
    let pong = "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{}}\n";
    assert_eq!(says(&mut table, r#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#), Inbound::Reply(Bytes::from(pong)));

    let mut listener = table.listen().unwrap();
    assert_eq!(says(&mut table, ask), Inbound::Delivered);
    assert_eq!(got(&mut listener), Some((ask.to_owned(), false)));
    let (_, mut call) = request(&mut table, CALL_7);
    assert_eq!(says(&mut table, ask), Inbound::Delivered);
    assert_eq!(got(&mut call), Some((ask.to_owned(), false)));
    let (_, mut second) = request(&mut table, CALL_7);
    assert_eq!(says(&mut table, ask), Inbound::Delivered);
    assert_eq!((got(&mut call), got(&mut second)), (None, None));
    assert!(got(&mut listener).is_some());
    // The client's answer passes as it is.
    let answer = r#"{"jsonrpc":"2.0","id":"s-0","result":{"action":"cancel"}}"#;
    assert_eq!(one_way(&mut table, answer), format!("{answer}\n"));
}

#[test]
fn list_changes_go_to_the_listener_and_wait_for_the_first_one() {
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    let mut table = Table::default();
    assert_eq!(says(&mut table, changed), Inbound::Delivered);
    let mut first = table.listen().unwrap();
    assert!(got(&mut first).is_some());
    let (_, mut call) = request(&mut table, CALL_7);
    assert_eq!(says(&mut table, changed), Inbound::Delivered);
    assert!(got(&mut first).is_some() && got(&mut call).is_none());

    let mut second = table.listen().unwrap();
    table.unlisten(first.number);
    assert_eq!(says(&mut table, changed), Inbound::Delivered);
    assert!(got(&mut second).is_some() && got(&mut first).is_none());
    table.unlisten(second.number);
    assert_eq!(says(&mut table, changed), Inbound::Delivered);
    assert!(got(&mut call).is_some());
    drop(table.abandon(call.number));
    assert_eq!(says(&mut table, changed), Inbound::Dropped);
}

#[test]
fn cancelling_names_the_process_own_id() {
    let mut table = Table::default();
    let (_, call) = request(&mut table, CALL_7);
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7,"reason":"r"}}"#;
    let sent = one_way(&mut table, cancel);
    assert_eq!(sent.trim_end(), cancel.replace('7', "1"));
    // Told once only.
    assert_eq!(table.abandon(call.number), None);
    assert!(matches!(out(&mut table, cancel), Outbound::Moot));

    let (_, call) = request(&mut table, CALL_7);
    let told = table.abandon(call.number).unwrap();
    assert_eq!(told, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":2}}\n");
    let (_, hello) = request(&mut table, r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#);
    assert_eq!(table.abandon(hello.number), None);
}

#[test]
fn a_listen_gets_its_own_id_back_and_can_be_ended_by_the_server() {
    let listen = r#"{"jsonrpc":"2.0","id":"L","method":"subscriptions/listen","params":{"notifications":{}}}"#;
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1}}}"#;
    let result = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":1}}}"#;
    let ended = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let mut table = Table::default();
    let (_, mut inbox) = request(&mut table, listen);
    assert_eq!(says(&mut table, changed), Inbound::Delivered);
    assert_eq!(got(&mut inbox), Some((changed.replace(":1}", r#":"L"}"#), false)));
    assert_eq!(says(&mut table, result), Inbound::Delivered);
    let own = result.replace(":1}", r#":"L"}"#).replace(r#""id":1"#, r#""id":"L""#);
    assert_eq!(got(&mut inbox), Some((own, true)));

    let mut table = Table::default();
    let (_, mut inbox) = request(&mut table, listen);
    assert_eq!(says(&mut table, ended), Inbound::Delivered);
    assert_eq!(got(&mut inbox), Some((ended.replace(":1}", r#":"L"}"#), true)));
}

#[test]
fn a_slow_reader_loses_notifications_but_not_its_response() {
    let mut table = Table::default();
    let (_, mut inbox) = request(&mut table, CALL_7);
    let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#;
    let taken = (0..1000).filter(|_| says(&mut table, log) == Inbound::Delivered).count();
    assert_eq!(taken, QUEUE - 1);
    assert_eq!(says(&mut table, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), Inbound::Delivered);
    let mut last = None;
    while let Some((_, is_last)) = got(&mut inbox) {
        last = Some(is_last);
    }
    assert_eq!(last, Some(true));
}

#[test]
fn noise_is_noise_and_a_closed_table_takes_nothing() {
    let mut table = Table::default();
    for line in ["Server started", "{}", "[]", "{\"jsonrpc\":\"2.0\"}", "\u{feff}{}"] {
        assert_eq!(table.inbound(&Bytes::from(line)), Inbound::Noise, "{line}");
    }
    let (_, mut inbox) = request(&mut table, CALL_7);
    table.close(Closed::TooLarge);
    table.close(Closed::Ended("later".to_owned()));
    assert_eq!(got(&mut inbox), None);
    assert_eq!(table.closed(), Some(&Closed::TooLarge));
    let body = Bytes::from_static(CALL_7.as_bytes());
    assert!(table.outbound(&body, &scan(&body, &WIDE).unwrap()).is_err());
    assert!(table.listen().is_err());
}
