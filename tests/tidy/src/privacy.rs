//! What Watchbook is not for: no interface has a field that could carry a face, a biometric template, an embedding or an identity.

use crate::words::{split, stem};
use crate::{Finding, Repo, TextFile};
use syn::visit::Visit;

/// As words of a name, whatever its style; `surface` and `interface` are other words.
const FORBIDDEN: [&str; 12] = [
    "biometric",
    "embedding",
    "face",
    "facial",
    "faceprint",
    "feature-vector",
    "fingerprint",
    "gait",
    "identity",
    "iris",
    "licence-holder",
    "suspect",
];

/// Rule `privacy` over the plugin contract, the API description and the event type.
#[must_use]
pub fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &repo.files {
        if file.path.starts_with("sdk/wit/") && file.is(&["wit"]) {
            findings.extend(judge(file, &wit_names(&file.text)));
        } else if file.name() == "openapi.json" {
            findings.extend(judge(file, &json_names(&file.text)));
        } else if file.path == "appliance/base/src/event.rs" {
            findings.extend(judge(file, &rust_names(&file.text)));
        }
    }
    findings
}

fn judge(file: &TextFile, names: &[(usize, String)]) -> Vec<Finding> {
    let breach = |(line, name): &(usize, String)| {
        let words: Vec<String> = split(name).iter().map(|word| stem(word)).collect();
        let hit = FORBIDDEN.iter().find(|forbidden| {
            let parts: Vec<String> = forbidden.split('-').map(stem).collect();
            words.windows(parts.len()).any(|window| window == parts)
        })?;
        let message = format!("`{name}` could carry a {hit}; Watchbook has no such field");
        Some(Finding { path: file.path.clone(), line: *line, rule: "privacy", message })
    };
    names.iter().filter_map(breach).collect()
}

/// Every identifier of a WIT file that is not in a comment.
fn wit_names(text: &str) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or(line);
        let tokens = code.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'));
        names.extend(tokens.filter(|token| !token.is_empty()).map(|token| (at + 1, token.to_owned())));
    }
    names
}

/// Every object key, and every value without a space (those of an `enum`, a `$ref`, an `operationId`). Sentences are documentation.
fn json_names(text: &str) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let strings = line.split('"').skip(1).step_by(2);
        names.extend(strings.filter(|text| !text.contains(' ')).map(|text| (at + 1, text.to_owned())));
    }
    names
}

/// Every field, variant and type name of a Rust file.
fn rust_names(text: &str) -> Vec<(usize, String)> {
    #[derive(Default)]
    struct Names(Vec<(usize, String)>);
    impl Names {
        fn add(&mut self, ident: &syn::Ident) {
            self.0.push((ident.span().start().line, ident.to_string()));
        }
    }
    impl<'ast> Visit<'ast> for Names {
        fn visit_field(&mut self, field: &'ast syn::Field) {
            if let Some(ident) = &field.ident {
                self.add(ident);
            }
            syn::visit::visit_field(self, field);
        }
        fn visit_variant(&mut self, variant: &'ast syn::Variant) {
            self.add(&variant.ident);
            syn::visit::visit_variant(self, variant);
        }
        fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
            self.add(&item.ident);
            syn::visit::visit_item_struct(self, item);
        }
    }
    let mut names = Names::default();
    if let Ok(file) = syn::parse_file(text) {
        names.visit_file(&file);
    }
    names.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Repo::sample(&[(path, text)])).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn the_plugin_contract_may_not_name_a_face() {
        let text = "// no face\ninterface surface {\n  record found { face-id: u32, embeddings: list<f32> }\n}";
        assert_eq!(lines("sdk/wit/0.1/a.wit", text), [3, 3]);
    }

    #[test]
    fn the_api_may_not_name_an_identity() {
        let text = "{\n\"description\": \"no identity here\",\n\"personIdentity\": {},\n\"enum\": [\"gait\"]\n}";
        assert_eq!(lines("appliance/web/openapi.json", text), [3, 4]);
    }

    #[test]
    fn an_event_may_not_carry_a_biometric() {
        let text = "/// No face.\npub struct Event {\n  /// Score.\n  pub score: f32,\n  pub biometric_hash: u64,\n}";
        assert_eq!(lines("appliance/base/src/event.rs", text), [5]);
    }
}
