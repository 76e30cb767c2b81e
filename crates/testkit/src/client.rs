//! A client of exact bytes: one connection, requests as the test writes them, answers as they came.

use std::io;
use std::net::{SocketAddr, TcpStream};

use crate::ask::Ask;
use crate::sse::{Decoder, Event};
use crate::wire::{Head, Rest, Wire};

/// One connection to a server.
#[derive(Debug)]
pub struct Client {
    wire: Wire,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: Head,
    pub body: Vec<u8>,
}

/// An answer of which the head has come: events or bytes are read one by one.
#[derive(Debug)]
pub struct Reading<'a> {
    pub head: Head,
    wire: &'a mut Wire,
    rest: Rest,
    decoder: Decoder,
}

/// Asks on a connection of its own.
///
/// # Panics
/// Nobody answers.
#[must_use]
pub fn once(address: SocketAddr, ask: &Ask) -> Answer {
    Client::connect(address).ask(ask)
}

// === impl Client ===

impl Client {
    /// Connects.
    ///
    /// # Panics
    /// Nobody listens.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        Self { wire: Wire::new(stream) }
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// The server is gone.
    pub fn send(&mut self, bytes: &[u8]) {
        self.wire.write(bytes).expect("the server reads");
    }

    /// Sends bytes to a server that may have hung up meanwhile: it need not read everything.
    pub fn try_send(&mut self, bytes: &[u8]) {
        let _hung_up = self.wire.write(bytes);
    }

    /// Sends a request and reads its whole answer.
    ///
    /// # Panics
    /// There is none.
    pub fn ask(&mut self, ask: &Ask) -> Answer {
        self.try_send(&ask.bytes());
        self.answer().unwrap_or_else(|error| panic!("no answer to {ask:?}: {error}"))
    }

    /// Sends a request and reads the head of its answer.
    ///
    /// # Panics
    /// There is none.
    pub fn begin(&mut self, ask: &Ask) -> Reading<'_> {
        self.try_send(&ask.bytes());
        self.reading().unwrap_or_else(|error| panic!("no answer to {ask:?}: {error}"))
    }

    /// Reads a whole answer.
    ///
    /// # Errors
    /// The server closed before its end, or is silent.
    pub fn answer(&mut self) -> io::Result<Answer> {
        let head = self.next_head()?;
        let body = self.wire.body(head.answer_body())?;
        Ok(Answer { status: head.status(), head, body })
    }

    /// Reads the head of an answer.
    ///
    /// # Errors
    /// As [`Client::answer`].
    pub fn reading(&mut self) -> io::Result<Reading<'_>> {
        let head = self.next_head()?;
        let rest = head.answer_body();
        Ok(Reading { head, wire: &mut self.wire, rest, decoder: Decoder::default() })
    }

    fn next_head(&mut self) -> io::Result<Head> {
        self.wire.head()?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    }

    /// Has the server not closed yet? Does not wait.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.wire.is_open()
    }

    /// Waits until the server closes.
    ///
    /// # Errors
    /// It does not.
    pub fn closed(&mut self) -> io::Result<()> {
        self.wire.closed()
    }
}

// === impl Answer ===

impl Answer {
    /// The body as text, for messages.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("status {}, {error}: {}", self.status, self.text()))
    }

    /// The events of a body.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        let mut decoder = Decoder::default();
        decoder.push(&self.body);
        std::iter::from_fn(|| decoder.next_event()).collect()
    }

    /// The message that ends the answer: the JSON body, or the data of the last event.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        if self.head.field("content-type") == Some("text/event-stream") {
            return self.events().pop().map(|event| event.data).unwrap_or_default();
        }
        self.body.clone()
    }
}

// === impl Reading ===

impl Reading<'_> {
    /// The next event; `None` when the stream has ended.
    ///
    /// # Panics
    /// The stream broke or is silent.
    pub fn event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.decoder.next_event() {
                return Some(event);
            }
            let piece = self.wire.piece(&mut self.rest).expect("the stream goes on");
            self.decoder.push(&piece?);
        }
    }

    /// The next event with a message in it: one without data tells from where to resume.
    ///
    /// # Panics
    /// As [`Reading::event`].
    pub fn message(&mut self) -> Option<Event> {
        std::iter::from_fn(|| self.event()).find(|event| !event.data.is_empty())
    }

    /// Waits for a comment.
    ///
    /// # Panics
    /// The stream ended without one.
    pub fn comment(&mut self) {
        let before = self.decoder.comments;
        loop {
            assert!(self.decoder.next_event().is_none(), "an event where a comment was awaited");
            if self.decoder.comments > before {
                return;
            }
            let piece = self.wire.piece(&mut self.rest).expect("the stream goes on").expect("a comment");
            self.decoder.push(&piece);
        }
    }

    /// What is left of the body.
    ///
    /// # Panics
    /// The stream broke or is silent.
    #[must_use]
    pub fn body(self) -> Vec<u8> {
        self.wire.body(self.rest).expect("the body ends")
    }
}
