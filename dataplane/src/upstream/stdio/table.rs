//! Who waits for what on one child process: ids and progress tokens are made anew for the process and put back on the
//! way home, and what the server sends of its own accord is given to whom it concerns.
//!
//! Pure but for the bounded queues to the waiting callers, which it never waits for: a caller that reads too slowly
//! loses notifications, not its response. Used under a lock by `stdio` and `process`.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use ringway_mcp::scan::{Envelope, Id, Kind};
use ringway_mcp::splice::Edits;
use ringway_mcp::{Method, error, scan};
use tokio::sync::mpsc;

use super::super::handshake::WIDE;

/// Messages that may wait for one caller; the last place is kept for the response.
const QUEUE: usize = 64;
/// Bytes beyond which no further notification waits for one caller.
const QUEUE_BYTES: usize = 1 << 20;
/// Notifications kept for the first listener: a server may speak before the stream is opened.
const EARLY: usize = 16;

/// The calls and the listener of one process.
#[derive(Debug, Default)]
pub(super) struct Table {
    last: u64,
    calls: HashMap<u64, Call>,
    listener: Option<(u64, Queue)>,
    listened: bool,
    early: VecDeque<Bytes>,
    closed: Option<Closed>,
}

#[derive(Debug)]
struct Call {
    /// The caller's id, raw.
    id: Bytes,
    /// The caller's progress token, raw.
    token: Option<Bytes>,
    method: Method,
    queue: Queue,
    /// The process was told already.
    cancelled: bool,
}

#[derive(Debug)]
struct Queue {
    sender: mpsc::Sender<Delivery>,
    bytes: Arc<AtomicUsize>,
}

/// The receiving end of a call or listener.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) number: u64,
    receiver: mpsc::Receiver<Delivery>,
    bytes: Arc<AtomicUsize>,
}

/// One message for a caller.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) data: Bytes,
    /// The response: nothing follows.
    pub(super) last: bool,
}

/// Why no call can be made any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Closed {
    /// Ended, with a text for the log.
    Ended(String),
    /// Wrote a line beyond the limit.
    TooLarge,
}

/// A message as the process gets it.
#[derive(Debug)]
pub(super) enum Outbound {
    /// A request: the line and where its answers arrive.
    Request(Bytes, Inbox),
    /// A notification or response.
    OneWay(Bytes),
    /// About a call that is over: nothing to send.
    Moot,
}

/// What to do about a line of the process.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inbound {
    Delivered,
    /// Nobody wants it.
    Dropped,
    /// A line to write back.
    Reply(Bytes),
    /// Not a message.
    Noise,
}

// === impl Table ===

impl Table {
    /// Takes a caller's message; `envelope` is its scan.
    pub(super) fn outbound(&mut self, body: &Bytes, envelope: &Envelope) -> Result<Outbound, Closed> {
        if let Some(closed) = &self.closed {
            return Err(closed.clone());
        }
        match (envelope.kind, envelope.id, envelope.method) {
            (Kind::Request, Some(id), Some((method, _))) => Ok(self.request(body, envelope, id, method)),
            (_, _, Some((Method::Cancelled, _))) => Ok(self.cancelled_by_caller(body, envelope)),
            _ => Ok(Outbound::OneWay(line(body, &Edits::new()))),
        }
    }

    fn request(&mut self, body: &Bytes, envelope: &Envelope, id: Id, method: Method) -> Outbound {
        self.last += 1;
        let number = self.last;
        let minted = number.to_string();
        let mut edits = Edits::new();
        edits.replace(id.span, minted.as_bytes());
        let token = envelope.params.as_ref().and_then(|params| params.meta.as_ref()?.progress_token);
        if let Some(token) = token {
            edits.replace(token.span, minted.as_bytes());
        }
        let (queue, inbox) = queue(number);
        let call = Call {
            id: body.slice(id.span.range()),
            token: token.map(|token| body.slice(token.span.range())),
            method,
            queue,
            cancelled: false,
        };
        self.calls.insert(number, call);
        Outbound::Request(line(body, &edits), inbox)
    }

    fn cancelled_by_caller(&mut self, body: &Bytes, envelope: &Envelope) -> Outbound {
        let Some(named) = envelope.params.as_ref().and_then(|params| params.request_id) else { return Outbound::Moot };
        let raw = named.raw(body);
        // Ids of different callers of one process may be equal: the youngest is meant.
        let found = self.calls.iter_mut().filter(|(_, call)| call.id == raw).max_by_key(|(number, _)| **number);
        let Some((number, call)) = found else { return Outbound::Moot };
        call.cancelled = true;
        let mut edits = Edits::new();
        edits.replace(named.span, number.to_string().as_bytes());
        Outbound::OneWay(line(body, &edits))
    }

    /// Forgets a call whose caller is gone; the line tells the process to stop, where that is due.
    pub(super) fn abandon(&mut self, number: u64) -> Option<Bytes> {
        let call = self.calls.remove(&number)?;
        // `initialize` must not be cancelled.
        if call.cancelled || call.method == Method::Initialize || self.closed.is_some() {
            return None;
        }
        let text =
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{number}}}}}"#);
        Some(Bytes::from(text + "\n"))
    }

    /// Makes a new standing stream, which takes the place of an older one.
    pub(super) fn listen(&mut self) -> Result<Inbox, Closed> {
        if let Some(closed) = &self.closed {
            return Err(closed.clone());
        }
        self.last += 1;
        let (queue, inbox) = queue(self.last);
        for early in self.early.drain(..) {
            queue.offer(early);
        }
        self.listener = Some((self.last, queue));
        self.listened = true;
        Ok(inbox)
    }

    pub(super) fn unlisten(&mut self, number: u64) {
        if self.listener.as_ref().is_some_and(|(own, _)| *own == number) {
            self.listener = None;
        }
    }

    /// Ends every call and stream.
    pub(super) fn close(&mut self, why: Closed) {
        self.closed.get_or_insert(why);
        self.calls.clear();
        self.listener = None;
    }

    pub(super) fn closed(&self) -> Option<&Closed> {
        self.closed.as_ref()
    }

    /// Takes a line of the process.
    pub(super) fn inbound(&mut self, line: &Bytes) -> Inbound {
        let Ok(envelope) = scan(line, &WIDE) else { return Inbound::Noise };
        match (envelope.kind, envelope.method) {
            (Kind::Response, _) => self.response(line, &envelope),
            (Kind::Request, Some((method, _))) => self.server_request(line, &envelope, method),
            (_, Some((method, _))) => self.notification(line, &envelope, method),
            _ => Inbound::Noise,
        }
    }

    fn response(&mut self, line: &Bytes, envelope: &Envelope) -> Inbound {
        let named = envelope.id.and_then(|id| Some((id, number(line, id)?)));
        let (span, key) = match named {
            Some((id, key)) => (Some(id.span), key),
            // An error that could not read the id concerns the only call there is.
            None if envelope.error.is_some() => match self.sole() {
                Some(key) => (envelope.id.map(|id| id.span), key),
                None => return Inbound::Dropped,
            },
            None => return Inbound::Dropped,
        };
        let Some(call) = self.calls.remove(&key) else { return Inbound::Dropped };
        let mut edits = Edits::new();
        if let Some(span) = span {
            edits.replace(span, &call.id);
        }
        let meta = envelope.result.as_ref().and_then(|result| result.meta.as_ref());
        if let Some(id) = meta.and_then(|meta| meta.subscription_id).filter(|id| number(line, *id) == Some(key)) {
            edits.replace(id.span, &call.id);
        }
        call.queue.answer(restored(line, &edits))
    }

    fn server_request(&self, line: &Bytes, envelope: &Envelope, method: Method) -> Inbound {
        let taken = match (self.sole().and_then(|key| self.calls.get(&key)), &self.listener) {
            (Some(call), _) => call.queue.offer(line.clone()),
            (None, Some((_, queue))) => queue.offer(line.clone()),
            (None, None) => false,
        };
        if taken {
            return Inbound::Delivered;
        }
        let id = envelope.id.map(|id| id.raw(line)).unwrap_or_default();
        let id = String::from_utf8_lossy(id);
        let text = if method == Method::Ping {
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)
        } else {
            let code = error::METHOD_NOT_FOUND;
            let message = "no request of the client is in progress";
            format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{message}"}}}}"#)
        };
        Inbound::Reply(Bytes::from(text + "\n"))
    }

    fn notification(&mut self, line: &Bytes, envelope: &Envelope, method: Method) -> Inbound {
        let params = envelope.params.as_ref();
        if method == Method::Progress {
            let token = params.and_then(|params| params.progress_token);
            return self.to_owner(line, token, |call| call.token.as_ref());
        }
        let meta = params.and_then(|params| params.meta.as_ref());
        if let Some(id) = meta.and_then(|meta| meta.subscription_id) {
            return self.to_owner(line, Some(id), |call| Some(&call.id));
        }
        if method == Method::Cancelled && self.ends_a_listen(line, envelope) {
            return Inbound::Delivered;
        }
        let standing = matches!(
            method,
            Method::ToolsListChanged
                | Method::PromptsListChanged
                | Method::ResourcesListChanged
                | Method::ResourcesUpdated
        );
        let call = self.sole().and_then(|key| self.calls.get(&key)).map(|call| &call.queue);
        let listener = self.listener.as_ref().map(|(_, queue)| queue);
        let to = if standing { listener.or(call) } else { call.or(listener) };
        match to {
            Some(queue) if queue.offer(line.clone()) => Inbound::Delivered,
            None if !self.listened && self.early.len() < EARLY => {
                self.early.push_back(line.clone());
                Inbound::Delivered
            }
            _ => Inbound::Dropped,
        }
    }

    /// Delivers a notification that names a call by one of our numbers, with the caller's own value in its place.
    fn to_owner(&self, line: &Bytes, named: Option<Id>, own: impl Fn(&Call) -> Option<&Bytes>) -> Inbound {
        let Some(named) = named else { return Inbound::Dropped };
        let Some(call) = number(line, named).and_then(|key| self.calls.get(&key)) else { return Inbound::Dropped };
        let Some(value) = own(call) else { return Inbound::Dropped };
        let mut edits = Edits::new();
        edits.replace(named.span, value);
        if call.queue.offer(restored(line, &edits)) { Inbound::Delivered } else { Inbound::Dropped }
    }

    /// Modern: a server ends a `subscriptions/listen` with `notifications/cancelled`.
    fn ends_a_listen(&mut self, line: &Bytes, envelope: &Envelope) -> bool {
        let Some(named) = envelope.params.as_ref().and_then(|params| params.request_id) else { return false };
        let Some(key) = number(line, named) else { return false };
        if self.calls.get(&key).is_none_or(|call| call.method != Method::SubscriptionsListen) {
            return false;
        }
        let Some(call) = self.calls.remove(&key) else { return false };
        let mut edits = Edits::new();
        edits.replace(named.span, &call.id);
        call.queue.answer(restored(line, &edits)) == Inbound::Delivered
    }

    /// The one call in flight, standing ones not counted.
    fn sole(&self) -> Option<u64> {
        let mut calls = self.calls.iter().filter(|(_, call)| call.method != Method::SubscriptionsListen);
        match (calls.next(), calls.next()) {
            (Some((key, _)), None) => Some(*key),
            _ => None,
        }
    }
}

// === impl Queue ===

fn queue(number: u64) -> (Queue, Inbox) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let bytes = Arc::new(AtomicUsize::new(0));
    (Queue { sender, bytes: Arc::clone(&bytes) }, Inbox { number, receiver, bytes })
}

impl Queue {
    /// Something before the response; false when there is no room or nobody there.
    fn offer(&self, data: Bytes) -> bool {
        if self.sender.capacity() <= 1 || self.bytes.load(Ordering::Relaxed) > QUEUE_BYTES {
            return false;
        }
        self.put(data, false)
    }

    fn answer(&self, data: Bytes) -> Inbound {
        if self.put(data, true) { Inbound::Delivered } else { Inbound::Dropped }
    }

    fn put(&self, data: Bytes, last: bool) -> bool {
        self.bytes.fetch_add(data.len(), Ordering::Relaxed);
        self.sender.try_send(Delivery { data, last }).is_ok()
    }
}

// === impl Inbox ===

impl Inbox {
    /// `None`: the process or the newer listener ended this one.
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        let delivery = self.receiver.recv().await?;
        self.bytes.fetch_sub(delivery.data.len(), Ordering::Relaxed);
        Some(delivery)
    }
}

/// One of our numbers, as a server gives it back.
fn number(line: &Bytes, id: Id) -> Option<u64> {
    std::str::from_utf8(id.raw(line)).ok()?.parse().ok()
}

/// The edited body as one line.
fn line(body: &Bytes, edits: &Edits) -> Bytes {
    let mut out = Vec::with_capacity(body.len() + 32);
    // A strict JSON string holds no line end, so these stand between tokens.
    out.extend(restored(body, edits).iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    out.push(b'\n');
    Bytes::from(out)
}

fn restored(body: &Bytes, edits: &Edits) -> Bytes {
    if edits.is_empty() {
        return body.clone();
    }
    // The spans come from one scan of this very body and never overlap.
    edits.apply(body).unwrap_or_else(|_| body.clone())
}

#[cfg(test)]
mod tests;
