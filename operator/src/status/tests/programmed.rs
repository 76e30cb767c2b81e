//! Programmed, and what Ready, Stalled and Reconciling make of it.

use super::*;

#[test]
fn an_object_seen_first_is_reconciling_until_every_pod_acknowledged() {
    let mut case = Case::with_backend();
    case.pod("a");
    case.pod("b");
    let expected = [
        "Accepted=True Accepted",
        "ResolvedRefs=True ResolvedRefs",
        "Programmed=False Pending",
        "Ready=False Pending",
        "Reconciling=True Pending",
        "Reachable=Unknown NotTried",
    ];
    assert_eq!(case.conditions(Kind::MCPBackend), expected);
    case.pods[0].position = Some(case.store.observed().position());
    assert!(case.written().is_none(), "one of two is no news");
    case.all_acknowledge();
    let expected = [
        "Accepted=True Accepted",
        "ResolvedRefs=True ResolvedRefs",
        "Programmed=True Programmed",
        "Ready=True Ready",
        "Reachable=Unknown NotTried",
    ];
    assert_eq!(case.conditions(Kind::MCPBackend), expected);
}

#[test]
fn pods_that_come_and_go_change_nothing() {
    let mut case = Case::with_backend();
    case.pod("a");
    case.all_acknowledge();
    assert_eq!(case.of("Programmed"), "Programmed=True Programmed");
    case.pod("b");
    assert!(case.written().is_none(), "a new pod that has nothing yet");
    case.pods.remove(0);
    assert!(case.written().is_none(), "and the old one gone");
    case.pods.clear();
    case.absent_for = fleet::ABSENCE - Duration::from_secs(1);
    assert!(case.written().is_none(), "a restart");
    case.absent_for = fleet::ABSENCE;
    assert_eq!(case.of("Programmed"), "Programmed=False NoDataPlane");
    case.pod("c");
    assert_eq!(case.of("Programmed"), "Programmed=False Pending");
    case.all_acknowledge();
    assert_eq!(case.of("Ready"), "Ready=True Ready");
}

#[test]
fn a_new_object_without_any_pod_is_said_so_at_once() {
    let mut case = Case::with_backend();
    assert_eq!(case.of("Programmed"), "Programmed=False NoDataPlane");
    assert_eq!(case.of("Reconciling"), "Reconciling=True NoDataPlane");
}

#[test]
fn a_new_generation_waits_for_its_own_acknowledgements() {
    let mut case = Case::with_backend();
    case.pod("a");
    case.all_acknowledge();
    assert_eq!(case.of("Programmed"), "Programmed=True Programmed");
    let status = case.store.observed().find(Kind::MCPBackend, &name(BACKEND)).expect("there").status.clone();
    case.put(Kind::MCPBackend, 2, &json!({ "status": status }));
    case.translated();
    let patch = case.written().expect("something to say");
    assert_eq!(patch.status["observedGeneration"], 2);
    assert_eq!(case.of("Programmed"), "Programmed=False Pending");
    case.all_acknowledge();
    assert_eq!(case.of("Programmed"), "Programmed=True Programmed");
}

#[test]
fn after_a_restart_of_the_operator_what_was_true_stays() {
    let mut case = Case::with_backend();
    case.pod("a");
    case.all_acknowledge();
    assert_eq!(case.of("Programmed"), "Programmed=True Programmed");
    case.needs = Needs::default();
    case.translated();
    case.pods[0].position = None;
    assert!(case.written().is_none(), "the pod has not connected again yet");
}

#[test]
fn what_is_served_again_waits_for_acknowledgements() {
    let mut case = Case::with_backend();
    case.pod("a");
    case.all_acknowledge();
    assert_eq!(case.of("Programmed"), "Programmed=True Programmed");
    case.verdicts.backends.insert(name(BACKEND), unresolved("RefNotFound"));
    case.translated();
    assert_eq!(case.of("Programmed"), "Programmed=False Invalid");
    // The Secret is back, at a position that no pod has.
    case.verdicts.backends.insert(name(BACKEND), verdict(true));
    case.put(Kind::MCPRoute, 1, &json!({}));
    case.translated();
    assert_eq!(case.of("Programmed"), "Programmed=False Pending");
    case.all_acknowledge();
    assert_eq!(case.of("Programmed"), "Programmed=True Programmed");
}

#[test]
fn a_rejection_counts_once_the_pod_has_what_it_is_about() {
    let mut case = Case::with_backend();
    case.pod("a").rejects("its key does not fit");
    assert_eq!(case.of("Programmed"), "Programmed=False Pending", "of an older form, perhaps");
    case.all_acknowledge();
    let patch = case.written().expect("something to say");
    let programmed = conditions::find(&patch.status["conditions"], "Programmed").expect("there").clone();
    assert_eq!(programmed["message"], "pod a: its key does not fit");
    assert_eq!(case.of("Stalled"), "Stalled=True Rejected");
    assert_eq!(patch.transitions.len(), 1, "{:?}", patch.transitions);
    case.pods[0].rejections.clear();
    assert_eq!(case.of("Programmed"), "Programmed=True Programmed");
    assert_eq!(case.of("Stalled"), "");
}

#[test]
fn a_pod_that_cannot_name_all_that_it_refuses_leaves_the_rest_open() {
    let mut case = Case::with_backend();
    case.pod("a").has_more_rejections = true;
    case.all_acknowledge();
    let patch = case.written().expect("something to say");
    let programmed = conditions::find(&patch.status["conditions"], "Programmed").expect("there");
    assert_eq!((&programmed["status"], &programmed["reason"]), (&json!("False"), &json!("Pending")));
    assert!(programmed["message"].as_str().is_some_and(|text| text.starts_with("pod a refuses more")), "{programmed}");
    case.pods[0].rejects("it is of another version");
    assert_eq!(case.of("Programmed"), "Programmed=False Rejected", "named");
    case.pods[0].rejections.clear();
    case.pods[0].has_more_rejections = false;
    assert_eq!(case.of("Programmed"), "Programmed=True Programmed");
    // And it does not stay so only because it once was.
    case.pods[0].has_more_rejections = true;
    assert_eq!(case.of("Programmed"), "Programmed=False Pending");
}

#[test]
fn what_only_the_author_can_change_is_stalled_and_the_rest_waits() {
    let cases = [
        (refused("Invalid"), "Stalled=True Invalid"),
        (refused("UnsupportedValue"), "Stalled=True UnsupportedValue"),
        (refused("Conflicted"), "Stalled=True Conflicted"),
        (refused("NoMatchingParent"), "Reconciling=True NoMatchingParent"),
        (unresolved("InvalidKind"), "Stalled=True InvalidKind"),
        (unresolved("RefNotFound"), "Reconciling=True RefNotFound"),
        (unresolved("BackendNotFound"), "Reconciling=True BackendNotFound"),
        (unresolved("RefNotPermitted"), "Reconciling=True RefNotPermitted"),
    ];
    for (verdict, expected) in cases {
        let mut case = Case::with_backend();
        case.pod("a");
        case.all_acknowledge();
        case.verdicts.backends.insert(name(BACKEND), verdict);
        case.translated();
        let (kind, reason) = expected.split_once("=True ").expect("two parts");
        assert_eq!(case.of(kind), expected);
        assert_eq!(case.of("Ready"), format!("Ready=False {reason}"));
        assert_eq!(case.of("Programmed"), "Programmed=False Invalid");
        let other = if kind == "Stalled" { "Reconciling" } else { "Stalled" };
        assert_eq!(case.of(other), "", "{expected}");
    }
}

#[test]
fn a_position_holds_what_is_not_newer_or_what_is_current() {
    let at = |revision, fingerprint| {
        Position([("MCPRoute".to_owned(), Cursor { revision, fingerprint })].into_iter().collect())
    };
    let (need, current) = (at(10, 1), at(20, 2));
    for (position, expected) in [
        (at(10, 7), true), // as far
        (at(11, 7), true), // further
        (at(5, 1), true),  // less far, and the very objects
        (at(5, 2), true),  // less far, and what is current
        (at(9, 7), false), // behind
        (Position::default(), false),
    ] {
        assert_eq!(holds(&position, &need, &current), expected, "{position:?}");
    }
}
