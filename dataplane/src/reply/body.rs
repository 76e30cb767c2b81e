//! The body types of replies.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use smallvec::SmallVec;
use tokio::sync::mpsc;

/// A body of known pieces, sent without being joined.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    pieces: SmallVec<[Bytes; 4]>,
    next: usize,
}

/// The body of every reply.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    Empty,
    Chunks(Chunks),
    /// Ends when the sender is dropped.
    Stream(mpsc::Receiver<Bytes>),
    /// Ends when the sender is dropped; a cut ends the connection, so that no half is taken for a whole.
    Whole(mpsc::Receiver<Result<Bytes, Cut>>),
}

/// A body that was promised and cannot be brought to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer was cut off upstream")]
pub(crate) struct Cut;

// === impl Chunks ===

impl Chunks {
    pub(crate) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.pieces.push(piece);
        }
    }

    /// Bytes that are still to be sent.
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().skip(self.next).map(Bytes::len).sum()
    }
}

impl From<Bytes> for Chunks {
    fn from(piece: Bytes) -> Self {
        let mut chunks = Self::default();
        chunks.push(piece);
        chunks
    }
}

impl From<Vec<u8>> for Chunks {
    fn from(piece: Vec<u8>) -> Self {
        Bytes::from(piece).into()
    }
}

// === impl ReplyBody ===

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Chunks(chunks) => {
                let piece = chunks.pieces.get_mut(chunks.next).map(std::mem::take);
                chunks.next += 1;
                Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
            }
            Self::Stream(events) => Poll::Ready(ready!(events.poll_recv(cx)).map(|event| Ok(Frame::data(event)))),
            Self::Whole(pieces) => Poll::Ready(ready!(pieces.poll_recv(cx)).map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Chunks(chunks) => chunks.next >= chunks.pieces.len(),
            Self::Stream(_) | Self::Whole(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Chunks(chunks) => SizeHint::with_exact(chunks.len() as u64),
            Self::Stream(_) | Self::Whole(_) => SizeHint::default(),
        }
    }
}
