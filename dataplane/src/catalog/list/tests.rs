use super::*;

fn page(items: &str, more: &str) -> Bytes {
    Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{items}]{more}}}}}"#))
}

fn names(list: &BackendList) -> Vec<&str> {
    list.items.iter().map(|item| &*item.own).collect()
}

#[test]
fn items_are_kept_byte_for_byte_in_order() {
    let limits = Limits::default();
    let mut pages = Pages::new(ListKind::Tools, &limits);
    let odd = r#"{ "z":12345678901234567890 , "name":"b\u0062" }"#;
    assert_eq!(pages.take(&page(odd, r#","nextCursor":"""#)), Ok(Next::Page(String::new())));
    assert_eq!(
        pages.take(&page(r#"{"name":"a"},7,{"name":8},{"name":"bb"},{"name":"c","name":"d"}"#, "")),
        Ok(Next::Done)
    );
    let list = pages.finish();
    assert_eq!(names(&list), ["bb", "a"]);
    assert_eq!(list.items[0].raw, odd);
    let why: Vec<_> = list.dropped.iter().map(|dropped| dropped.why).collect();
    assert_eq!(why, [DropReason::Shape, DropReason::Shape, DropReason::DuplicateName, DropReason::DuplicateKey]);
    assert!(list.complete);
}

#[test]
fn limits_cut_a_list_and_say_so() {
    let limits = Limits { items: 3, bytes: 60, pages: 2, ..Limits::default() };
    let cut = |run: &dyn Fn(&mut Pages<'_>) -> Next| {
        let mut pages = Pages::new(ListKind::Tools, &limits);
        assert_eq!(run(&mut pages), Next::Done);
        let list = pages.finish();
        assert!(!list.complete);
        list.dropped.last().map(|dropped| dropped.why)
    };
    let four = page(r#"{"name":"a"},{"name":"b"},{"name":"c"},{"name":"d"}"#, r#","nextCursor":"x""#);
    assert_eq!(cut(&|pages| pages.take(&four).unwrap()), Some(DropReason::Items));
    let long = page(&format!(r#"{{"name":"a","x":"{}"}}"#, "y".repeat(60)), "");
    assert_eq!(cut(&|pages| pages.take(&long).unwrap()), Some(DropReason::Bytes));
    let looped = |pages: &mut Pages<'_>| {
        assert_eq!(pages.take(&page("", r#","nextCursor":"x""#)), Ok(Next::Page("x".into())));
        pages.take(&page("", r#","nextCursor":"x""#)).unwrap()
    };
    assert_eq!(cut(&looped), Some(DropReason::Pages));
    let roomy = Limits::default();
    let mut pages = Pages::new(ListKind::Tools, &roomy);
    assert_eq!(looped(&mut pages), Next::Done);
    assert_eq!(pages.finish().dropped, [Dropped::new("", DropReason::CursorLoop)]);
}

#[test]
fn ttl_and_scope_are_those_of_all_pages() {
    let limits = Limits::default();
    let read = |pages: &[&str]| {
        let mut reader = Pages::new(ListKind::Tools, &limits);
        for more in pages {
            reader.take(&page("", more)).unwrap();
        }
        let list = reader.finish();
        (list.ttl.map(|ttl| ttl.as_millis()), list.public)
    };
    let public = r#","ttlMs":500,"cacheScope":"public","nextCursor":"a""#;
    assert_eq!(read(&[public]), (Some(500), true));
    assert_eq!(read(&[public, r#","ttlMs":300,"cacheScope":"private""#]), (Some(300), false));
    assert_eq!(read(&[public, r#","cacheScope":"public""#]), (None, true));
    assert_eq!(read(&[""]), (None, false));
    assert_eq!(read(&[r#","ttlMs":-1"#]), (None, false));
}

#[test]
fn what_is_no_list_is_refused() {
    let limits = Limits::default();
    for (text, want) in [
        ("<html>", None),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"x"}}"#, Some(BadPage::Refused(Some(-32_601)))),
        (r#"{"jsonrpc":"2.0","id":1,"result":{"prompts":[]}}"#, Some(BadPage::NoItems("tools"))),
        (r#"{"jsonrpc":"2.0","id":1,"result":{"tools":{}}}"#, Some(BadPage::NoItems("tools"))),
        (r#"{"jsonrpc":"2.0","method":"tools/list","params":{"tools":[]}}"#, Some(BadPage::NoItems("tools"))),
    ] {
        let error = Pages::new(ListKind::Tools, &limits).take(&Bytes::from(text)).unwrap_err();
        match want {
            Some(want) => assert_eq!(error, want, "{text}"),
            None => assert!(matches!(error, BadPage::Message(_)), "{text}"),
        }
    }
}

#[test]
fn equal_lists_have_equal_hashes() {
    let limits = Limits::default();
    let hash = |texts: &[&str]| {
        let mut pages = Pages::new(ListKind::Tools, &limits);
        for (n, text) in texts.iter().enumerate() {
            let more = if n + 1 < texts.len() { format!(r#","nextCursor":"{n}""#) } else { String::new() };
            pages.take(&page(text, &more)).unwrap();
        }
        pages.finish().hash
    };
    assert_eq!(hash(&[r#"{"name":"a"},{"name":"b"}"#]), hash(&[r#"{"name":"a"}"#, r#"{"name":"b"}"#]));
    assert_ne!(hash(&[r#"{"name":"a"},{"name":"b"}"#]), hash(&[r#"{"name":"b"},{"name":"a"}"#]));
    assert_ne!(hash(&[r#"{"name":"a"}"#]), hash(&[r#"{"name":"a" }"#]));
}
