//! XML that a camera sent, by local names: cameras choose their own prefixes, and some put elements into the wrong one of ONVIF's namespaces.

use super::TEXT_CHARS_MAX;
pub(super) use roxmltree::Node;
use roxmltree::{Document, ParsingOptions};

/// Elements and texts of one answer: a profile has about a hundred.
pub(super) const NODES_MAX: u32 = 50_000;
/// Elements in elements. The deepest answer of the specification has about twelve.
const DEPTH_MAX: usize = 64;
/// Attributes of one element: the parser compares each with all before it.
const ATTRIBUTES_MAX: usize = 1_000;
/// Declarations of namespaces in one document: cameras declare some thirty at its root. The parser compares each with all that hold where it stands, and copies
/// these into every element that declares its own, so that the square of this number is what a document can cost.
const NAMESPACES_MAX: usize = 256;

/// Reads a document: no DTD, so that no entity can grow, bounded in nodes, depth, attributes and namespaces.
///
/// # Errors
/// Why it is none, for a sentence.
pub(super) fn parse(text: &str) -> Result<Document<'_>, String> {
    if depth(text) > DEPTH_MAX {
        return Err(format!("its XML is nested deeper than {DEPTH_MAX} elements"));
    }
    // No attribute's value holds a `<` (XML 1.0, 3.1), so that each piece has all the attributes of one element.
    if text.split('<').any(|piece| piece.matches('=').count() > ATTRIBUTES_MAX) {
        return Err(format!("one element has more than {ATTRIBUTES_MAX} attributes"));
    }
    if text.matches("xmlns").count() > NAMESPACES_MAX {
        return Err(format!("it declares more than {NAMESPACES_MAX} namespaces"));
    }
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| format!("its XML is broken: {error}"))
}

/// The depth of nesting, counted by tags; a `/>` in a comment or a value may hide a level, and each costs two bytes.
fn depth(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut most) = (0_usize, 0);
    for (at, byte) in bytes.iter().enumerate() {
        match (byte, bytes.get(at + 1)) {
            (b'<', Some(b'/')) => depth = depth.saturating_sub(1),
            (b'<', Some(b'!' | b'?')) => {}
            (b'<', _) => depth += 1,
            (b'/', Some(b'>')) => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

/// The children with a local name.
pub(super) fn children<'a, 'input: 'a>(node: Node<'a, 'input>, name: &str) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

/// The first of them.
pub(super) fn child<'a, 'input: 'a>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    children(node, name).next()
}

/// A child of a child and so on.
pub(super) fn path<'a, 'input: 'a>(node: Node<'a, 'input>, names: &[&str]) -> Option<Node<'a, 'input>> {
    names.iter().try_fold(node, |node, name| child(node, name))
}

/// Text of an element without what people cannot read: at most [`TEXT_CHARS_MAX`] characters.
pub(super) fn own_text(node: Node<'_, '_>) -> String {
    let text = node.text().unwrap_or_default().trim();
    text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect()
}

/// Text of a child for people; empty when there is none.
pub(super) fn text(node: Node<'_, '_>, name: &str) -> String {
    child(node, name).map(own_text).unwrap_or_default()
}

/// Text of a child as it is, for addresses: bounded by whoever reads it.
pub(super) fn raw(node: Node<'_, '_>, name: &str) -> String {
    child(node, name).and_then(|child| child.text()).unwrap_or_default().trim().to_owned()
}

/// Characters of a reference token (`tt:ReferenceToken`: the schema's own bound).
const TOKEN_CHARS_MAX: usize = 64;

/// `text` as a reference token; `None` when it is none.
pub(super) fn as_token(text: &str) -> Option<String> {
    let token: String = text.trim().chars().filter(|c| !c.is_control()).collect();
    (!token.is_empty() && token.chars().count() <= TOKEN_CHARS_MAX).then_some(token)
}

/// The attribute `token` of an element.
pub(super) fn token_of(node: Node<'_, '_>) -> Option<String> {
    as_token(node.attribute("token")?)
}

/// A truth value (XML Schema 1.1 part 2, 3.3.2), however a camera spells it.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// A number in the element behind `names`; fractions are cut off, 0 when there is none.
pub(super) fn number(node: Node<'_, '_>, names: &[&str]) -> u32 {
    let text = path(node, names).map(own_text).unwrap_or_default();
    text.parse::<f64>().map_or(0, |number| number as u32)
}

/// `text` as it may stand in an element or an attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // Not a character of XML 1.0 (production 2).
            c if c.is_control() && !matches!(c, '\t' | '\n' | '\r') => {}
            c => out.push(c),
        }
    }
    out
}
