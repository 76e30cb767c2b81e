//! The ready pods of the data plane, and what they acknowledged.
//!
//! Pure. Made by `reconcile` of what the API server says of pods and what the pods say of themselves.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use ringway_config_stream::{Comparison, Facts, Key, Position, Rejection};

use super::needs::{Need, Needs};

/// How long the data plane may be without a ready pod before what was programmed is said not to be: a pod that
/// restarts is back by then.
pub const ABSENCE: Duration = Duration::from_secs(10);

/// A pod that takes traffic.
#[derive(Debug, Clone, Copy)]
pub struct ReadyPod<'a> {
    pub name: &'a str,
    /// Of the configuration that it serves; `None`: it has said nothing yet.
    pub position: Option<&'a Position>,
    pub rejections: &'a [Rejection],
    /// It refuses more than it names.
    pub has_more_rejections: bool,
    pub facts: Option<&'a Facts>,
}

/// Works out only what it is asked for, and that once.
#[derive(Debug)]
pub struct Fleet<'a> {
    pods: Vec<ReadyPod<'a>>,
    /// Where pods stand, and which ones: most stand together.
    standings: Vec<(Option<&'a Position>, Vec<usize>)>,
    needs: &'a Needs,
    published: Published<'a>,
    /// By the version of a need: the pods that do not serve it.
    behind: RefCell<BTreeMap<u64, Rc<BTreeSet<usize>>>>,
    rejections: OnceCell<BTreeMap<Key, Vec<(usize, &'a str)>>>,
    /// What could not be sent to any of them.
    refused: BTreeMap<Key, &'a str>,
    absent_for: Duration,
}

/// Of this replica, not of a pod.
#[derive(Debug, Clone, Copy)]
pub struct Published<'a> {
    /// The newest.
    pub position: &'a Position,
    /// What cannot travel for its size.
    pub refused: &'a [Rejection],
}

// === impl Fleet ===

impl<'a> Fleet<'a> {
    /// `absent_for`: how long there has been no ready pod.
    #[must_use]
    pub fn new(pods: Vec<ReadyPod<'a>>, needs: &'a Needs, published: Published<'a>, absent_for: Duration) -> Self {
        let mut standings: Vec<(Option<&Position>, Vec<usize>)> = Vec::new();
        for (index, pod) in pods.iter().enumerate() {
            match standings.iter_mut().find(|(position, _)| *position == pod.position) {
                Some((_, pods)) => pods.push(index),
                None => standings.push((pod.position, vec![index])),
            }
        }
        let refused = published.refused.iter().map(|it| (Key::new(it.kind, &it.name), it.reason.as_str())).collect();
        let (behind, rejections) = (RefCell::default(), OnceCell::new());
        Self { pods, standings, needs, published, behind, rejections, refused, absent_for }
    }

    #[must_use]
    pub fn ready(&self) -> usize {
        self.pods.len()
    }

    #[must_use]
    pub fn pods(&self) -> &[ReadyPod<'a>] {
        &self.pods
    }

    /// Whether there may only be a restart under way.
    #[must_use]
    pub fn is_absence_short(&self) -> bool {
        self.pods.is_empty() && self.absent_for < ABSENCE
    }

    /// How many pods have not acknowledged what holds `need`.
    #[must_use]
    pub fn behind(&self, need: &Need) -> usize {
        self.late(need).len()
    }

    /// Why a resource is not served as it is now. What a pod said of an older configuration does not count.
    #[must_use]
    pub fn rejection(&self, need: &Need, key: &Key) -> Option<String> {
        if let Some(reason) = self.refused.get(key) {
            return Some((*reason).to_owned());
        }
        let said = self.rejections().get(key)?;
        let late = self.late(need);
        let (index, reason) = said.iter().find(|(index, _)| !late.contains(index))?;
        Some(format!("pod {}: {reason}", self.pods.get(*index)?.name))
    }

    /// A pod that refuses more than it can name, and does not name this one.
    #[must_use]
    pub fn unnamed(&self, need: &Need, key: &Key) -> Option<&'a str> {
        let mut silent = self.pods.iter().enumerate().filter(|(_, pod)| pod.has_more_rejections).peekable();
        silent.peek()?;
        let late = self.late(need);
        let named = self.rejections().get(key);
        let is_named = |index| named.is_some_and(|named| named.iter().any(|(by, _)| *by == index));
        silent.find(|(index, _)| !late.contains(index) && !is_named(*index)).map(|(_, pod)| pod.name)
    }

    /// The pods that do not serve what holds `need`.
    fn late(&self, need: &Need) -> Rc<BTreeSet<usize>> {
        if let Some(late) = self.behind.borrow().get(&need.version) {
            return Rc::clone(late);
        }
        let current = self.published.position;
        let wanted = self.needs.position(need);
        let holds =
            |position: Option<&Position>| position.zip(wanted).is_some_and(|(at, need)| holds(at, need, current));
        let late = self.standings.iter().filter(|(position, _)| !holds(*position)).flat_map(|(_, pods)| pods).copied();
        let late: Rc<BTreeSet<usize>> = Rc::new(late.collect());
        self.behind.borrow_mut().insert(need.version, Rc::clone(&late));
        late
    }

    fn rejections(&self) -> &BTreeMap<Key, Vec<(usize, &'a str)>> {
        self.rejections.get_or_init(|| {
            let mut rejections: BTreeMap<Key, Vec<(usize, &'a str)>> = BTreeMap::new();
            for (index, pod) in self.pods.iter().enumerate() {
                for rejection in pod.rejections {
                    let key = Key::new(rejection.kind, &rejection.name);
                    rejections.entry(key).or_default().push((index, &rejection.reason));
                }
            }
            rejections
        })
    }
}

/// Whether who stands at `position` serves all that was there at `need`. A kind may be behind by number and hold the
/// very objects that are current.
#[must_use]
pub fn holds(position: &Position, need: &Position, current: &Position) -> bool {
    match position.compared_to(need) {
        Comparison::Same | Comparison::NotOlder => true,
        Comparison::Older(kinds) => kinds.iter().all(|kind| {
            let of = |position: &Position| position.0.get(kind).copied().unwrap_or_default().fingerprint;
            of(position) == of(current)
        }),
    }
}
