//! Who looks: the facts of a client that change what a server lists.

use ringway_mcp::Revision;
use ringway_mcp::capability::ClientCapabilities;

/// A class of clients that see the same lists: one revision, one set of capabilities that matter to lists.
///
/// With credentials per caller a viewer will also hold whose they are; today the gateway's own are used for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Viewer {
    pub revision: Revision,
    /// Masked: see [`Self::new`].
    pub capabilities: ClientCapabilities,
}

const MATTER: [ClientCapabilities; 6] = [
    ClientCapabilities::ROOTS,
    ClientCapabilities::SAMPLING,
    ClientCapabilities::ELICITATION,
    ClientCapabilities::ELICITATION_FORM,
    ClientCapabilities::ELICITATION_URL,
    ClientCapabilities::EXT_UI,
];

// === impl Viewer ===

impl Viewer {
    /// Keeps of `capabilities` what changes lists (servers add a tool per roots, sampling, elicitation, extension), so
    /// that few viewers serve many clients.
    #[must_use]
    pub fn new(revision: Revision, capabilities: ClientCapabilities) -> Self {
        let mut kept = MATTER.iter().filter(|one| capabilities.has(**one)).fold(0, |bits, one| bits | one.0);
        // Forms without URLs are what an empty `elicitation` means.
        if kept & ClientCapabilities::ELICITATION_URL.0 == 0 {
            kept &= !ClientCapabilities::ELICITATION_FORM.0;
        }
        Self { revision, capabilities: ClientCapabilities(kept) }
    }
}

#[cfg(test)]
mod tests {
    use super::Viewer;
    use ringway_mcp::Revision;
    use ringway_mcp::capability::ClientCapabilities as C;

    #[test]
    fn capabilities_that_change_no_list_make_no_viewer() {
        let of = |bits: u16| Viewer::new(Revision::V2025_11_25, C(bits));
        assert_eq!(of(C::ROOTS.0 | C::ROOTS_LIST_CHANGED.0 | C::SAMPLING_TOOLS.0), of(C::ROOTS.0));
        assert_eq!(of(C::ELICITATION.0 | C::ELICITATION_FORM.0), of(C::ELICITATION.0));
        assert_ne!(of(C::ELICITATION.0 | C::ELICITATION_URL.0), of(C::ELICITATION.0));
        assert_ne!(of(C::ROOTS.0), of(0));
    }
}
