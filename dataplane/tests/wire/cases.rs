//! Generated exchanges: a call, what the server sends before its answer, the answer, and how all of it is written and cut.

use ringway_testkit::sse::{Framing, Newline};

use crate::texts::{IDS, Slot, Tape, Text, URIS};

/// What the upstream does with the next call.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) framing: Option<Framing>,
    /// Without framing: in chunks rather than with a length.
    pub(crate) chunked: bool,
    pub(crate) cuts: Vec<usize>,
    /// Messages before the answer; an ask waits for the client's answer.
    pub(crate) before: Vec<Before>,
    pub(crate) answer: Vec<u8>,
}

#[derive(Debug, Clone)]
pub(crate) enum Before {
    Notice(Vec<u8>),
    Ask(Vec<u8>),
}

/// One way through the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) modern: bool,
    pub(crate) prefixed: bool,
}

/// A call and what must come of it.
pub(crate) struct Case {
    pub(crate) up: Text,
    pub(crate) method: &'static str,
    /// The name or URI that the client uses.
    pub(crate) visible: String,
    pub(crate) own: String,
    pub(crate) id: &'static str,
    pub(crate) before: Vec<(bool, Text)>,
    pub(crate) answer: Text,
    pub(crate) ask_id: &'static str,
    pub(crate) response: Text,
    pub(crate) framing: Option<Framing>,
    pub(crate) chunked: bool,
    pub(crate) cuts: Vec<usize>,
    pub(crate) request_chunks: Option<usize>,
}

pub(crate) const METHODS: [&str; 4] = ["tools/call", "tools/call", "prompts/get", "resources/read"];

pub(crate) fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

pub(crate) fn framing(tape: &mut Tape<'_>) -> Framing {
    Framing {
        newline: tape.one_of(&[Newline::Lf, Newline::CrLf, Newline::Cr]),
        named: tape.often(),
        ids: tape.often(),
        prime: tape.seldom(),
        comments: tape.often(),
        space: tape.often(),
        data_first: tape.often(),
    }
}

pub(crate) fn visible(way: Way, id: &str) -> impl Fn(Slot) -> String {
    move |slot| match slot {
        Slot::Uri(number) => quoted(way.uri(number)),
        _ => id.to_owned(),
    }
}

// === impl Way ===

impl Way {
    pub(crate) fn path(self) -> &'static str {
        match (self.modern, self.prefixed) {
            (false, false) => "/l",
            (false, true) => "/lp",
            (true, false) => "/m",
            (true, true) => "/mp",
        }
    }

    /// A URI as the client sees it.
    pub(crate) fn uri(self, number: usize) -> &'static str {
        let (own, visible) = URIS[number];
        if self.prefixed { visible } else { own }
    }
}

// === impl Case ===

impl Case {
    pub(crate) fn new(way: Way, tape: &mut Tape<'_>) -> Self {
        let method = tape.one_of(&METHODS);
        let id = tape.one_of(&IDS);
        let uri = tape.pick(2);
        let (own, visible) = match method {
            "resources/read" => (URIS[uri].0.to_owned(), way.uri(uri).to_owned()),
            _ if way.prefixed => ("echo".to_owned(), "gh_echo".to_owned()),
            _ => ("echo".to_owned(), "echo".to_owned()),
        };
        let up = Self::request(way, method, tape);
        let asks = !way.modern && tape.often();
        let mut before: Vec<_> = (0..tape.pick(4)).map(|_| (false, Self::notice(tape))).collect();
        if asks {
            before.push((true, Self::ask(tape)));
        }
        let answer = Self::answer(method, tape);
        let result = tape.object(vec![("action", Text::raw("\"accept\""))], None);
        let response = tape.message(vec![("id", Text::slot(Slot::Id)), ("result", result)]);
        let events = asks || tape.often();
        Self {
            up,
            method,
            visible,
            own,
            id,
            before,
            answer,
            ask_id: tape.one_of(&IDS),
            response,
            framing: events.then(|| framing(tape)),
            chunked: tape.often(),
            cuts: (0..tape.pick(5)).map(|_| tape.one_of(&[1, 2, 3, 7, 40, 1_000])).collect(),
            request_chunks: tape.often().then(|| tape.one_of(&[1, 5, 64])),
        }
    }

    fn request(way: Way, method: &str, tape: &mut Tape<'_>) -> Text {
        let subject = if method == "resources/read" { "uri" } else { "name" };
        let mut params = vec![(subject, Text::slot(Slot::Name))];
        let mut meta = vec![];
        if tape.often() {
            meta.push(("progressToken", Text::raw(tape.one_of(&IDS))));
        }
        if way.modern {
            meta.push(("io.modelcontextprotocol/protocolVersion", Text::raw(tape.spelled("2026-07-28"))));
            meta.push(("io.modelcontextprotocol/clientCapabilities", Text::raw("{ }")));
        }
        if way.modern || tape.often() {
            params.push(("_meta", tape.object(meta, None)));
        }
        let arguments = tape.pick(4);
        match arguments {
            0 => {}
            1 => params.push(("arguments", Text::raw("null"))),
            _ => params.push(("arguments", tape.free_object(4))),
        }
        let absent = method == "tools/call" && arguments == 0 && !way.modern;
        let params = tape.object(params, absent.then_some(Slot::Arguments));
        let method = Text::raw(tape.spelled(method));
        tape.message(vec![("id", Text::slot(Slot::Id)), ("method", method), ("params", params)])
    }

    fn notice(tape: &mut Tape<'_>) -> Text {
        let kind = tape.pick(4);
        let (method, params) = match kind {
            0 => ("notifications/message", tape.object(Vec::new(), None)),
            1 => {
                let token = Text::raw(tape.one_of(&IDS));
                ("notifications/progress", tape.object(vec![("progressToken", token)], None))
            }
            2 => {
                let uri = tape.pick(URIS.len());
                let uri = Text::slot(Slot::Uri(uri));
                ("notifications/resources/updated", tape.object(vec![("uri", uri)], None))
            }
            _ => {
                let data = tape.free_object(3);
                ("notifications/of-an-extension", tape.object(vec![("data", data)], None))
            }
        };
        let method = Text::raw(tape.spelled(method));
        tape.message(vec![("method", method), ("params", params)])
    }

    fn ask(tape: &mut Tape<'_>) -> Text {
        let method = Text::raw(tape.spelled("elicitation/create"));
        let message = Text::raw(tape.string());
        let params = tape.object(vec![("message", message)], None);
        tape.message(vec![("id", Text::slot(Slot::Id)), ("method", method), ("params", params)])
    }

    fn answer(method: &str, tape: &mut Tape<'_>) -> Text {
        if tape.seldom() {
            let message = Text::raw(tape.string());
            let error = tape.object(vec![("code", Text::raw("-32000")), ("message", message)], None);
            return tape.message(vec![("id", Text::slot(Slot::Id)), ("error", error)]);
        }
        let items = (0..tape.pick(4)).map(|_| Self::item(method, tape)).collect();
        let items = tape.array(items);
        let key = match method {
            "tools/call" => "content",
            "prompts/get" => "messages",
            _ => "contents",
        };
        let kind = Text::raw(tape.spelled("complete"));
        let mut members = vec![(key, items), ("resultType", kind)];
        if tape.often() {
            members.push(("structuredContent", tape.free_object(4)));
        }
        let result = tape.object(members, None);
        tape.message(vec![("id", Text::slot(Slot::Id)), ("result", result)])
    }

    /// A content of each shape that holds a URI, and some that only look as if.
    fn item(method: &str, tape: &mut Tape<'_>) -> Text {
        let uri = Text::slot(Slot::Uri(tape.pick(URIS.len())));
        let fixed = Text::raw("\"file:///not-a-link\"");
        if method == "resources/read" {
            return tape.object(vec![("uri", uri), ("text", fixed)], None);
        }
        let content = match tape.pick(3) {
            0 => tape.object(vec![("type", Text::raw("\"text\"")), ("text", fixed.clone()), ("uri", fixed)], None),
            1 => {
                let kind = Text::raw(tape.spelled("resource_link"));
                tape.object(vec![("type", kind), ("uri", uri)], None)
            }
            _ => {
                let resource = tape.object(vec![("uri", uri), ("blob", fixed)], None);
                tape.object(vec![("type", Text::raw("\"resource\"")), ("resource", resource)], None)
            }
        };
        if method == "prompts/get" {
            return tape.object(vec![("role", Text::raw("\"user\"")), ("content", content)], None);
        }
        content
    }

    pub(crate) fn plan(&self) -> Plan {
        let own = |id: &'static str| {
            move |slot| match slot {
                Slot::Uri(number) => quoted(URIS[number].0),
                _ => id.to_owned(),
            }
        };
        let before = self.before.iter().map(|(asks, text)| {
            if *asks { Before::Ask(text.fill(own(self.ask_id))) } else { Before::Notice(text.fill(own("null"))) }
        });
        Plan {
            framing: self.framing.clone(),
            chunked: self.chunked,
            cuts: self.cuts.clone(),
            before: before.collect(),
            answer: self.answer.fill(own(self.id)),
        }
    }

    /// The request with the name as written by one side.
    pub(crate) fn upward(&self, name: &str, arguments: &str) -> Vec<u8> {
        self.up.fill(|slot| match slot {
            Slot::Name => quoted(name),
            Slot::Arguments => arguments.to_owned(),
            _ => self.id.to_owned(),
        })
    }
}
