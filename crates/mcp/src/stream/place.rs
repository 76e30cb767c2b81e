//! Where in a response a value is, and what that makes of it.
use crate::scan::{Reason, folds_to_envelope_key};
use crate::walk::{Key, Pattern};

/// What the next value is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    /// Nothing that matters.
    Plain,
    /// The message itself.
    Envelope,
    Jsonrpc,
    Id,
    Method,
    Result,
    Error,
    Code,
    IsError,
    ResultType,
    /// `type` of an object in which a member counts only if the type is this.
    Type(&'static str),
    /// That member.
    When,
    /// A place of the pattern.
    At(&'static Pattern),
}

/// What an open container is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Elsewhere,
    Envelope,
    Result,
    Error,
    Keys(&'static [Key]),
    Elements(&'static Pattern),
}

/// An open container.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) place: Place,
    /// Whether the object's `type` is the wanted one, once it is known.
    pub(super) link: Option<bool>,
    // Members met whose repetition would leave open which one counts.
    once: u8,
}

/// What the envelope had.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) version: bool,
    pub(super) id: bool,
    pub(super) null_id: bool,
    pub(super) result: bool,
    pub(super) error: bool,
}

// === impl Role ===

impl Role {
    /// Whether a scalar here must be whole before it is passed on.
    pub(super) fn is_held(self) -> bool {
        !matches!(self, Self::Plain | Self::Result | Self::Envelope | Self::Error | Self::Method)
            && !matches!(self, Self::At(Pattern::Keys(_) | Pattern::Each(_) | Pattern::OneOrEach(_)))
    }

    /// What a container here is.
    pub(super) fn place(self, object: bool, pattern: &'static Pattern) -> Place {
        match self {
            Self::Envelope if object => Place::Envelope,
            // A pattern starts at the result; a result that is an array is in none.
            Self::Result if object && matches!(pattern, Pattern::Keys(_)) => Place::Result,
            Self::Error if object => Place::Error,
            Self::At(pattern) => at(pattern, object),
            _ => Place::Elsewhere,
        }
    }
}

fn at(pattern: &'static Pattern, object: bool) -> Place {
    match pattern {
        Pattern::Keys(keys) if object => Place::Keys(keys),
        Pattern::Each(each) | Pattern::OneOrEach(each) if !object => Place::Elements(each),
        Pattern::OneOrEach(Pattern::Keys(keys)) if object => Place::Keys(keys),
        _ => Place::Elsewhere,
    }
}

// === impl Place ===

impl PartialEq for Place {
    // By kind: the patterns inside are not compared.
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

// === impl Frame ===

impl Frame {
    pub(super) fn new(place: Place) -> Self {
        Self { place, link: None, once: 0 }
    }

    /// What the elements of this array are.
    pub(super) fn element_role(&self) -> Role {
        match self.place {
            Place::Elements(each) => Role::At(each),
            _ => Role::Plain,
        }
    }

    /// What the value of `key` is.
    pub(super) fn key_role(&mut self, key: &str, pattern: &'static Pattern, seen: &mut Seen) -> Result<Role, Reason> {
        match self.place {
            Place::Envelope => self.envelope_role(key, seen),
            Place::Error if key == "code" => self.once(0, Role::Code),
            Place::Result => match key {
                "isError" => self.once(0, Role::IsError),
                "resultType" => self.once(1, Role::ResultType),
                _ => match pattern {
                    Pattern::Keys(keys) => self.pattern_role(key, keys),
                    _ => Ok(Role::Plain),
                },
            },
            Place::Keys(keys) => self.pattern_role(key, keys),
            Place::Error | Place::Elements(_) | Place::Elsewhere => Ok(Role::Plain),
        }
    }

    fn envelope_role(&mut self, key: &str, seen: &mut Seen) -> Result<Role, Reason> {
        match key {
            "jsonrpc" => self.once(0, Role::Jsonrpc),
            "id" => {
                seen.id = true;
                self.once(1, Role::Id)
            }
            "result" => {
                seen.result = true;
                self.once(2, Role::Result)
            }
            "error" => {
                seen.error = true;
                self.once(3, Role::Error)
            }
            "method" => Ok(Role::Method),
            _ if folds_to_envelope_key(key) => Err(Reason::FoldedKey),
            _ => Ok(Role::Plain),
        }
    }

    fn pattern_role(&mut self, key: &str, keys: &'static [Key]) -> Result<Role, Reason> {
        let wanted = keys.iter().find_map(|key| key.when);
        if let (Some(wanted), "type") = (wanted, key) {
            return self.once(6, Role::Type(wanted));
        }
        match keys.iter().find(|one| one.name == key) {
            Some(Key { when: Some(_), .. }) => self.once(7, Role::When),
            Some(found) => Ok(Role::At(&found.then)),
            None => Ok(Role::Plain),
        }
    }

    fn once(&mut self, number: u8, role: Role) -> Result<Role, Reason> {
        let bit = 1 << number;
        if self.once & bit != 0 {
            return Err(Reason::DuplicateKey);
        }
        self.once |= bit;
        Ok(role)
    }
}
