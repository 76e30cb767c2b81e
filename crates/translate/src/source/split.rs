//! A YAML stream cut into documents, so that an error in one never hides the next.
//!
//! Cuts at lines that start with `---`, as kubectl does: YAML allows no such line inside a document's text.

/// One document's text with the number of lines before it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunk<'a> {
    pub(crate) text: &'a str,
    pub(crate) lines_before: u64,
}

/// The documents of a stream; those without content are left out.
pub(crate) fn documents(stream: &str) -> Vec<Chunk<'_>> {
    let stream = stream.strip_prefix('\u{feff}').unwrap_or(stream);
    let mut cuts = vec![(0, 0)];
    let mut offset = 0;
    for (number, line) in (0_u64..).zip(stream.split_inclusive('\n')) {
        if offset > 0 && is_marker(line) {
            cuts.push((offset, number));
        }
        offset += line.len();
    }
    let ends = cuts.iter().skip(1).map(|(offset, _)| *offset).chain([stream.len()]);
    cuts.iter()
        .zip(ends)
        .filter_map(|((start, lines_before), end)| {
            Some(Chunk { text: stream.get(*start..end)?, lines_before: *lines_before })
        })
        .filter(|chunk| chunk.text.lines().any(has_content))
        .collect()
}

fn is_marker(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

/// Directives, comments, markers and blank lines are no content.
fn has_content(line: &str) -> bool {
    let line = line.strip_prefix("---").unwrap_or(line).trim();
    !(line.is_empty() || line.starts_with('#') || line.starts_with("%YAML") || line == "...")
}

#[cfg(test)]
mod tests {
    use super::documents;

    fn cut(stream: &str) -> Vec<(&str, u64)> {
        documents(stream).into_iter().map(|chunk| (chunk.text, chunk.lines_before)).collect()
    }

    #[test]
    fn documents_keep_their_line_numbers() {
        assert_eq!(cut("a: 1\n---\nb: 2\n--- # c\nc: 3"), [("a: 1\n", 0), ("---\nb: 2\n", 1), ("--- # c\nc: 3", 3)]);
        assert_eq!(cut("---\na: 1\n"), [("---\na: 1\n", 0)]);
        assert_eq!(cut("a: 1\r\n---\r\nb: 2\r\n"), [("a: 1\r\n", 0), ("---\r\nb: 2\r\n", 1)]);
    }

    #[test]
    fn empty_documents_are_none() {
        assert_eq!(cut(""), []);
        assert_eq!(cut("# only a comment\n---\n---\n%YAML 1.2\n---\n{a: 1}\n"), [("---\n{a: 1}\n", 4)]);
    }

    #[test]
    fn dashes_in_text_do_not_cut() {
        assert_eq!(cut("a: |\n  ---\n  x\nb: ---x\n----\n").len(), 1);
        assert_eq!(cut("\u{feff}a: 1\n"), [("a: 1\n", 0)]);
    }
}
