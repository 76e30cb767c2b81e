//! The API server's rules and these agree on its examples: in standalone mode there is no other guard.

use ringway_crds::examples::{self, Example};
use ringway_translate::{Install, Problem, Reason, World, parse_documents, translate};

/// Refused in a cluster only: a command; and names and ports that lead nowhere, which is all that is said here.
const ONLY_THERE: [&str; 3] = ["name: stdio ", "name: secret-name ", "name: port-zero "];
/// Refused here only: beside a default that no schema sees.
const ONLY_HERE: &str = "name: only-max-request ";

#[test]
fn what_the_api_server_refuses_is_refused_here() {
    let (mut seen, mut accepted) = (0, Vec::new());
    for example in examples().filter(|example| !example.refusals.is_empty()) {
        seen += 1;
        let is_excepted = ONLY_THERE.iter().any(|name| example.yaml.contains(name));
        if problems(&example).iter().all(is_of_a_reference) != is_excepted {
            accepted.push(example.yaml);
        }
    }
    assert!(seen > 100, "the examples are gone");
    assert!(accepted.is_empty(), "accepted:\n{}", accepted.join("\n---\n"));
}

#[test]
fn what_the_api_server_accepts_is_right_here_or_not_yet_served() {
    let mut seen = 0;
    for example in examples().filter(|example| example.refusals.is_empty()) {
        seen += 1;
        let problems = problems(&example);
        assert!(!problems.is_empty() || !example.yaml.contains(ONLY_HERE), "{}: accepted", example.place);
        for problem in problems {
            let is_later = matches!(problem.reason, Reason::UnsupportedValue | Reason::InvalidKind);
            let is_right = is_later || is_of_a_reference(&problem);
            assert!(is_right != example.yaml.contains(ONLY_HERE), "{}: {problem}", example.place);
        }
    }
    assert!(seen > 10, "the examples are gone");
}

/// Of the kinds that are served.
fn examples() -> impl Iterator<Item = Example> {
    let all = examples::read().expect("the examples are there");
    all.into_iter().filter(|example| ["mcpbackend", "mcproute"].contains(&example.kind.as_str()))
}

fn problems(example: &Example) -> Vec<Problem> {
    let (objects, mut problems) = parse_documents("in.yaml", &example.yaml);
    problems.extend(translate(&World::from_objects(objects), &Install::Standalone, &|_| None).problems);
    problems.retain(Problem::is_error);
    problems
}

/// What an example refers to is not there.
fn is_of_a_reference(problem: &Problem) -> bool {
    matches!(problem.reason, Reason::RefNotFound | Reason::RefNotPermitted)
}
