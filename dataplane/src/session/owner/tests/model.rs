//! Random histories against a model that forgets nothing cleverly: one map, one list.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;

use futures::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::session::owner::bind::{Begin, BindLease, Waited};

#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Touch(u64),
    Begin(u64, u64),
    Commit(u32),
    Fail,
    GiveUp,
    Leave,
    Delete(u64),
    Hold(u64),
    Release(u64),
    Sweep,
}

#[derive(Debug, Default)]
struct ModelSession {
    last_use: u64,
    bound: BTreeMap<u64, u32>,
    binding: BTreeSet<u64>,
    held: bool,
}

type Lease = BindLease<u32, &'static str, &'static str>;
type Wait = Pin<Box<dyn Future<Output = Waited<u32, &'static str, &'static str>>>>;

const IDLE: u64 = 50;
const HOLDER: Holder = Holder { worker: 1, number: 1 };

fn step() -> impl Strategy<Value = Step> {
    let (session, backend) = (0..4u64, 0..2u64);
    prop_oneof![
        2 => (1..40u64).prop_map(Step::Pass),
        4 => session.clone().prop_map(Step::Touch),
        6 => (session.clone(), backend).prop_map(|(s, b)| Step::Begin(s, b)),
        3 => (0..100u32).prop_map(Step::Commit),
        1 => Just(Step::Fail),
        2 => Just(Step::GiveUp),
        1 => Just(Step::Leave),
        1 => session.clone().prop_map(Step::Delete),
        1 => session.clone().prop_map(Step::Hold),
        1 => session.prop_map(Step::Release),
        2 => Just(Step::Sweep),
    ]
}

/// The real thing, the model, and what their caller holds: leases and waits with the incarnation they belong to.
struct Run {
    owner: Arc<Sessions>,
    now: u64,
    alive: BTreeMap<u64, ModelSession>,
    dead: BTreeSet<u64>,
    incarnation: BTreeMap<u64, u32>,
    leases: Vec<((u64, u64, u32), Lease)>,
    waits: Vec<((u64, u64, u32), Wait)>,
}

impl Run {
    fn place(&self, session: u64, backend: u64) -> (u64, u64, u32) {
        (session, backend, self.incarnation.get(&session).copied().unwrap_or_default())
    }

    fn forget(&mut self, session: u64) -> Option<ModelSession> {
        *self.incarnation.entry(session).or_default() += 1;
        self.alive.remove(&session)
    }

    fn current(&mut self, place: (u64, u64, u32)) -> Option<&mut ModelSession> {
        (self.place(place.0, place.1) == place).then(|| self.alive.get_mut(&place.0))?
    }

    /// Takes every wait for `place` out that has ended, with how.
    fn ended(&mut self, place: (u64, u64, u32)) -> Vec<Waited<u32, &'static str, &'static str>> {
        let (mut ended, mut left) = (Vec::new(), Vec::new());
        for (at, mut wait) in std::mem::take(&mut self.waits) {
            match (at == place).then(|| (&mut wait).now_or_never()).flatten() {
                Some(how) => ended.push(how),
                None => left.push((at, wait)),
            }
        }
        self.waits = left;
        ended
    }

    fn touch(&mut self, session: u64) {
        let how = self.owner.touch(key(session), FACTS, self.now);
        if self.dead.contains(&session) {
            assert!(matches!(how, Touch::Revoked), "{how:?}");
        } else if let Some(model) = self.alive.get_mut(&session) {
            assert!(matches!(how, Touch::Known), "{how:?}");
            model.last_use = self.now;
        } else {
            assert!(matches!(how, Touch::Created { evicted: None }), "{how:?}");
            self.alive.insert(session, ModelSession { last_use: self.now, ..ModelSession::default() });
        }
    }

    fn begin(&mut self, session: u64, backend: u64) {
        let place = self.place(session, backend);
        // Every other time the binding there is is taken for dead.
        let seen = self.owner.binding(key(session), BackendKey(backend));
        let seen = seen.map(|(seq, _)| seq).filter(|seq| seq.is_multiple_of(2));
        let how = self.owner.begin_bind(key(session), BackendKey(backend), seen);
        let Some(model) = self.alive.get_mut(&session) else {
            assert!(matches!(how, Begin::Gone), "{how:?}");
            return;
        };
        match how {
            Begin::Bound(_, binding) => {
                assert_eq!((model.bound.get(&backend), seen), (Some(&binding), None));
            }
            Begin::Lease(lease) => {
                assert!(model.binding.insert(backend), "a second lease");
                self.leases.push((place, lease));
            }
            Begin::Wait(wait) => {
                assert!(model.binding.contains(&backend));
                self.waits.push((place, Box::pin(wait.ended())));
            }
            Begin::Gone => panic!("gone"),
        }
    }

    fn commit(&mut self, binding: u32) {
        let Some((place, lease)) = self.leases.pop() else { return };
        let result = lease.commit(binding);
        let Some(model) = self.current(place) else {
            assert!(result.is_err());
            return;
        };
        assert!(model.binding.remove(&place.1));
        assert_eq!(result.unwrap().replaced, model.bound.insert(place.1, binding));
        for how in self.ended(place) {
            assert!(matches!(how, Waited::Bound(_, b) if b == binding), "{how:?}");
        }
        assert!(self.waits.iter().all(|(at, _)| *at != place), "somebody still waits");
    }

    fn fail(&mut self) {
        let Some((place, lease)) = self.leases.pop() else { return };
        lease.fail(&"no");
        let Some(model) = self.current(place) else { return };
        assert!(model.binding.remove(&place.1));
        for how in self.ended(place) {
            assert!(matches!(how, Waited::Failed("no")), "{how:?}");
        }
        assert!(self.waits.iter().all(|(at, _)| *at != place), "somebody still waits");
    }

    fn give_up(&mut self) {
        let Some((place, lease)) = self.leases.pop() else { return };
        drop(lease);
        if self.current(place).is_none() {
            return;
        }
        let waiting = self.waits.iter().filter(|(at, _)| *at == place).count();
        let ended = self.ended(place);
        assert_eq!(ended.len(), waiting.min(1), "one gets the lease");
        for how in ended {
            let Waited::Lease(next) = how else { panic!("{how:?}") };
            self.leases.push((place, next));
        }
        if waiting == 0
            && let Some(model) = self.current(place)
        {
            model.binding.remove(&place.1);
        }
    }

    fn delete(&mut self, session: u64) {
        let result = self.owner.tombstone(key(session), FACTS.expires_at);
        assert_eq!(result.new, self.dead.insert(session));
        let freed = result.freed.map(|freed| freed.bindings);
        let model =
            self.forget(session).map(|model| model.bound.into_iter().map(|(b, t)| (BackendKey(b), t)).collect());
        assert_eq!(freed, model);
    }

    fn sweep(&mut self) {
        let swept: BTreeSet<_> = self.owner.sweep(self.now, |_| IDLE).into_iter().map(|freed| freed.key).collect();
        let mut over = Vec::new();
        for (session, model) in &mut self.alive {
            if model.held || !model.binding.is_empty() {
                model.last_use = self.now;
            } else if self.now - model.last_use >= IDLE {
                over.push(*session);
            }
        }
        assert_eq!(swept, over.iter().map(|session| key(*session)).collect());
        for session in over {
            self.forget(session);
        }
    }

    fn hold(&mut self, session: u64, on: bool) {
        let known = if on {
            self.owner.set_holder(key(session), HOLDER).is_ok()
        } else {
            self.owner.clear_holder(key(session), HOLDER);
            self.alive.contains_key(&session)
        };
        assert_eq!(known, self.alive.contains_key(&session));
        if let Some(model) = self.alive.get_mut(&session) {
            model.held = on;
        }
    }

    fn agrees(&self) {
        assert_eq!(self.owner.len(), self.alive.len());
        for (session, model) in &self.alive {
            let bound: Vec<_> = model.bound.iter().map(|(b, t)| (BackendKey(*b), *t)).collect();
            assert_eq!(self.owner.bindings(key(*session)), bound);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn behaves_like_the_model(steps in proptest::collection::vec(step(), 1..120)) {
        let mut run = Run {
            owner: sessions(10), now: 1, alive: BTreeMap::new(), dead: BTreeSet::new(),
            incarnation: BTreeMap::new(), leases: Vec::new(), waits: Vec::new(),
        };
        for step in steps {
            match step {
                Step::Pass(time) => run.now += time,
                Step::Touch(session) => run.touch(session),
                Step::Begin(session, backend) => run.begin(session, backend),
                Step::Commit(binding) => run.commit(binding),
                Step::Fail => run.fail(),
                Step::GiveUp => run.give_up(),
                Step::Leave => drop(run.waits.pop()),
                Step::Delete(session) => run.delete(session),
                Step::Hold(session) => run.hold(session, true),
                Step::Release(session) => run.hold(session, false),
                Step::Sweep => run.sweep(),
            }
            run.agrees();
        }
    }
}
