//! Whether a description says more than the name.

use crate::words::{split, stem};
use std::collections::BTreeSet;
use syn::{Attribute, Expr, Lit, Meta};

/// Words that add nothing to a name.
const EMPTY: [&str; 46] = [
    "a",
    "an",
    "and",
    "are",
    "as",
    "at",
    "be",
    "by",
    "contain",
    "construct",
    "create",
    "define",
    "do",
    "for",
    "from",
    "function",
    "get",
    "handle",
    "implement",
    "in",
    "instance",
    "into",
    "is",
    "it",
    "its",
    "make",
    "method",
    "module",
    "new",
    "of",
    "on",
    "or",
    "provide",
    "represent",
    "return",
    "set",
    "struct",
    "that",
    "the",
    "this",
    "to",
    "trait",
    "type",
    "value",
    "which",
    "with",
];

/// The description's first paragraph; `None` when there is none.
pub(super) fn summary(attrs: &[Attribute]) -> Option<String> {
    let mut lines = attrs.iter().filter(|attr| attr.path().is_ident("doc")).filter_map(|attr| match &attr.meta {
        Meta::NameValue(pair) => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            // `#[doc = include_str!(…)]`: the text is elsewhere and was written by somebody.
            _ => Some("Included elsewhere, described there.".to_owned()),
        },
        _ => None,
    });
    let first = lines.find(|line| !line.trim().is_empty())?;
    let rest: String = lines.take_while(|line| !line.trim().is_empty()).collect();
    Some(format!("{first} {rest}"))
}

/// True when `summary` has no word beside those of `names` and those that say nothing.
pub(super) fn says_nothing(summary: &str, names: &[&str]) -> bool {
    let own: BTreeSet<String> = names.iter().flat_map(|name| split(name)).map(|word| stem(&word)).collect();
    let empty: BTreeSet<String> = EMPTY.iter().map(|word| stem(word)).collect();
    split(summary).iter().map(|word| stem(word)).all(|word| own.contains(&word) || empty.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::says_nothing;

    #[test]
    fn a_description_of_the_name_alone_says_nothing() {
        for (summary, names) in [
            ("Package recorder contains the recorder.", &["Package", "Recorder"][..]),
            ("Returns the span summary.", &["span_summary"]),
            ("Creates a new `Writer`.", &["new", "Writer"]),
            ("Gets the cameras of the station.", &["cameras", "Station"]),
        ] {
            assert!(says_nothing(summary, names), "{summary}");
        }
        assert!(!says_nothing("About a minute of one stream.", &["SpanSummary"]));
        assert!(!says_nothing("Never waits; drops when the queue is full.", &["append", "Writer"]));
    }
}
