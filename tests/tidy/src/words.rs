//! Splitting names into words.

/// Lower-case words of an identifier in any style: `HTTPServer`, `gap_ms`, `row-height`.
pub(crate) fn split(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let letters: Vec<char> = name.chars().collect();
    for (at, &letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|i| letters.get(i)).copied().unwrap_or('_');
        let after = letters.get(at + 1).copied().unwrap_or('_');
        let starts = letter.is_uppercase() && (!before.is_uppercase() || after.is_lowercase());
        if starts || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Plural and verb endings off, so that `spans` and `span` are one word.
pub(crate) fn stem(word: &str) -> String {
    let mut word = word.to_lowercase();
    // `embeddings` loses two endings. Each turn shortens the word, so this ends.
    while let Some(shorter) = ["ies", "ing", "ed", "es", "s"].iter().find_map(|ending| word.strip_suffix(ending))
        && shorter.len() >= 3
    {
        word = shorter.to_owned();
    }
    word.trim_end_matches('e').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_style_split() {
        assert_eq!(split("HTTPServer"), ["http", "server"]);
        assert_eq!(split("gap_ms"), ["gap", "ms"]);
        assert_eq!(split("row-height"), ["row", "height"]);
        assert_eq!(split("SpanSummary2"), ["span", "summary2"]);
    }

    #[test]
    fn endings_do_not_make_another_word() {
        assert_eq!(stem("spans"), stem("Span"));
        assert_eq!(stem("recorded"), stem("record"));
        assert_ne!(stem("face"), stem("surface"));
    }
}
