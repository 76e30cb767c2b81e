//! One session of the legacy demo server: its running calls, its open questions, its GET stream.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::demo::web::Events;

/// More than a person's client ever has.
const MAX_CALLS: usize = 64;
const MAX_QUESTIONS: usize = 16;

/// What came back for a question: a result, or a JSON-RPC error.
pub(super) type Outcome = Result<Value, Value>;

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) number: u64,
    /// The client declared elicitation.
    pub(super) can_ask: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ended: bool,
    calls: HashMap<String, (u64, AbortHandle)>,
    started: u64,
    questions: HashMap<String, oneshot::Sender<Outcome>>,
    asked: u64,
    stream: Option<(Events, Option<AbortHandle>)>,
}

/// A question that waits for its answer.
#[derive(Debug)]
pub(super) struct Question {
    id: String,
    answer: oneshot::Receiver<Outcome>,
}

// === impl Session ===

impl Session {
    pub(super) fn new(id: String, number: u64, can_ask: bool) -> Self {
        Self { id, number, can_ask, state: Mutex::default() }
    }

    /// Runs a call until it is done or cancelled; false when there are too many, or the id is in use.
    pub(super) fn spawn_call(self: &Arc<Self>, id: &Value, call: impl Future<Output = ()> + Send + 'static) -> bool {
        let key = id.to_string();
        let mut state = self.state();
        if state.ended || state.calls.len() >= MAX_CALLS || state.calls.contains_key(&key) {
            return false;
        }
        state.started += 1;
        let number = state.started;
        let (session, done) = (Arc::clone(self), key.clone());
        let task = tokio::spawn(async move {
            call.await;
            let mut state = session.state();
            if state.calls.get(&done).is_some_and(|(running, _)| *running == number) {
                state.calls.remove(&done);
            }
        });
        // The lock is held, so the task cannot have removed its entry before it is there.
        state.calls.insert(key, (number, task.abort_handle()));
        true
    }

    pub(super) fn cancel(&self, id: &Value) {
        if let Some((_, call)) = self.state().calls.remove(&id.to_string()) {
            call.abort();
        }
    }

    /// Opens a question to the client; `None` when too many are open.
    pub(super) fn ask(&self) -> Option<Question> {
        let mut state = self.state();
        state.questions.retain(|_, waiting| !waiting.is_closed());
        if state.ended || state.questions.len() >= MAX_QUESTIONS {
            return None;
        }
        state.asked += 1;
        let id = format!("ask-{}", state.asked);
        let (sender, answer) = oneshot::channel();
        state.questions.insert(id.clone(), sender);
        Some(Question { id, answer })
    }

    /// Takes the client's answer; an unknown id was answered before, or never asked.
    pub(super) fn answer(&self, id: &Value, outcome: Outcome) {
        let waiting = id.as_str().and_then(|id| self.state().questions.remove(id));
        if let Some(waiting) = waiting {
            // Whoever asked may have been cancelled meanwhile.
            drop(waiting.send(outcome));
        }
    }

    /// Takes the GET stream; false when another is open.
    pub(super) fn attach(&self, events: &Events) -> bool {
        let mut state = self.state();
        if state.ended || state.stream.as_ref().is_some_and(|(open, _)| !open.is_closed()) {
            return false;
        }
        state.stream = Some((events.clone(), None));
        true
    }

    /// Runs what feeds the GET stream.
    pub(super) fn spawn_stream(&self, feed: impl Future<Output = ()> + Send + 'static) {
        let mut state = self.state();
        if let Some((_, task)) = &mut state.stream {
            *task = Some(tokio::spawn(feed).abort_handle());
        }
    }

    /// Ends everything; streams close.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        for (_, (_, call)) in state.calls.drain() {
            call.abort();
        }
        state.questions.clear();
        if let Some((_, Some(task))) = state.stream.take() {
            task.abort();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Question ===

impl Question {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The answer, or `None` when the session ended.
    pub(super) async fn answered(self) -> Option<Outcome> {
        self.answer.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_cancelled_call_frees_its_id_and_ends() {
        let session = Arc::new(Session::new("s".to_owned(), 1, true));
        let (alive, ended) = oneshot::channel::<()>();
        let forever = async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        };
        assert!(session.spawn_call(&json!(1), forever));
        assert!(!session.spawn_call(&json!(1), async {}), "the id is in use");
        assert!(session.spawn_call(&json!("1"), async {}), "an id keeps its type");
        session.cancel(&json!(1));
        assert!(ended.await.is_err(), "the call was dropped");
        assert!(session.spawn_call(&json!(1), async {}));
    }

    #[tokio::test]
    async fn calls_questions_and_streams_have_bounds_and_end_with_the_session() {
        let session = Arc::new(Session::new("s".to_owned(), 1, true));
        for id in 0..MAX_CALLS {
            assert!(session.spawn_call(&json!(id), std::future::pending()), "{id}");
        }
        assert!(!session.spawn_call(&json!("one more"), async {}));
        let open: Vec<_> = (0..MAX_QUESTIONS).map(|_| session.ask().unwrap()).collect();
        assert!(session.ask().is_none());
        session.end();
        assert!(session.ask().is_none());
        for question in open {
            assert!(question.answered().await.is_none());
        }
        assert!(session.state().calls.is_empty());
    }

    #[tokio::test]
    async fn an_answer_reaches_its_question_once() {
        let session = Session::new("s".to_owned(), 1, true);
        let question = session.ask().unwrap();
        let id = json!(question.id());
        session.answer(&json!("ask-99"), Ok(json!(0)));
        session.answer(&id, Ok(json!(1)));
        session.answer(&id, Ok(json!(2)));
        assert_eq!(question.answered().await, Some(Ok(json!(1))));
    }
}
