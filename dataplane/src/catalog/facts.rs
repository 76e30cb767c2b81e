//! What servers said of themselves at `initialize` or `server/discover`, for composing the gateway's own answer.
//!
//! Pure data and its reader. Composing is the pipeline's work.

use std::sync::Arc;

use bytes::Bytes;
use ringway_mcp::scan::{self, Span};
use ringway_mcp::{Revision, value};

use super::list::ListKind;

/// All servers of a route, by section index. Empty until the catalogue thread looked at the view.
#[derive(Debug, Clone, Default)]
pub struct Hello {
    pub sections: Vec<SectionHello>,
}

/// One server of a route, as one viewer's catalogue connection found it.
#[derive(Debug, Clone, Default)]
pub struct SectionHello {
    pub state: Presence,
    /// Present once the server answered this viewer, also when it is down again.
    pub facts: Option<Arc<Facts>>,
}

/// Does the server answer?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Presence {
    /// Not tried to the end yet: counts as having every capability.
    #[default]
    Unseen,
    Up,
    Down,
    /// It speaks, but not the viewer's era.
    OtherEra,
}

/// A server's own words.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The revision that the connection speaks.
    pub revision: Revision,
    /// The whole answer to `initialize` or `server/discover`; the spans below are in it.
    pub message: Bytes,
    /// Raw `capabilities`.
    pub capabilities: Option<Span>,
    /// Raw `serverInfo` (modern: of the result's `_meta`).
    pub server_info: Option<Span>,
    /// Unescaped.
    pub instructions: Option<String>,
}

// === impl Hello ===

impl Hello {
    /// Nothing known of `sections` servers.
    #[must_use]
    pub fn blank(sections: usize) -> Self {
        Self { sections: vec![SectionHello::default(); sections] }
    }
}

// === impl Facts ===

impl Facts {
    /// Reads the answer; `None` when it is no successful one.
    #[must_use]
    pub fn read(message: Bytes, revision: Revision) -> Option<Self> {
        let result = scan::scan(&message, &scan::Limits::default()).ok()?.result.filter(|result| result.is_object)?;
        let info = result.server_info.map(|info| info.span);
        Some(Self {
            revision,
            capabilities: result.capabilities,
            server_info: info.or_else(|| result.meta.as_ref().and_then(|meta| meta.server_info)),
            instructions: result.instructions.map(|text| text.text(&message).into_owned()),
            message,
        })
    }

    /// Raw JSON of `capabilities`.
    #[must_use]
    pub fn capabilities_raw(&self) -> &[u8] {
        self.capabilities.map_or(b"{}", |span| span.of(&self.message))
    }

    /// Raw JSON of `serverInfo`.
    #[must_use]
    pub fn server_info_raw(&self) -> Option<&[u8]> {
        self.server_info.map(|span| span.of(&self.message))
    }

    /// Is the list announced at all?
    #[must_use]
    pub fn has(&self, kind: ListKind) -> bool {
        self.capability(kind).is_some()
    }

    /// Are changes of the list announced?
    #[must_use]
    pub fn list_changed(&self, kind: ListKind) -> bool {
        let flag = self.capability(kind).and_then(|span| value::find(&self.message, span, "listChanged"));
        flag.and_then(|span| value::as_bool(&self.message, span)) == Some(true)
    }

    fn capability(&self, kind: ListKind) -> Option<Span> {
        let span = value::find(&self.message, self.capabilities?, kind.capability())?;
        (value::kind(&self.message, span) == Some(value::JsonKind::Object)).then_some(span)
    }
}
