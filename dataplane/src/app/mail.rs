//! What one worker's thread does with its mail.

use std::pin::pin;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::listen::{self, Accepted};
use crate::peer::Message;
use crate::pipeline::forward::answer;
use crate::telemetry::labels::TaskName;
use crate::worker::{Notice, Worker};

/// Serves until the mailbox is closed or the gateway is told to stop.
pub(super) async fn serve(worker: Arc<Worker>, mut mail: mpsc::Receiver<Message>, tls: Option<TlsAcceptor>) {
    let mut stop = pin!(worker.shared.stop.begun());
    loop {
        let message = tokio::select! {
            biased;
            message = mail.recv() => message,
            () = &mut stop => return,
        };
        match message {
            Some(message) => handle(&worker, message, tls.as_ref()),
            None => return,
        }
    }
}

/// Everything here is quick: what takes time becomes a task.
fn handle(worker: &Arc<Worker>, message: Message, tls: Option<&TlsAcceptor>) {
    match message {
        Message::Connection { stream, remote, socket } => {
            let accepted = Accepted { stream, remote, socket };
            worker.spawn(TaskName::Connection, listen::serve_connection(Arc::clone(worker), accepted, tls.cloned()));
        }
        Message::Answer { number, session, body } => answer::take(worker, number, session, body),
        Message::Cancel { session, request, body } => worker.cancel(&(session, request), body),
        Message::Bound { session, backend } => worker.notify_stream(session, Notice::Bound(backend)),
        Message::EndStream { session } => worker.notify_stream(session, Notice::End),
    }
}
