//! One walk over one file.

use super::{FUNCTION_LINES_MAX, PARAMETERS_MAX, UNSAFE_FILES, docs};
use crate::{Figures, Finding, TextFile};
use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use std::collections::BTreeSet;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, ImplItem, Item, Meta, Signature, TraitItem, Visibility};

/// How far above an `unsafe` its SAFETY comment may start.
const SAFETY_LINES_MAX: usize = 8;
/// What a test function must say to be one. A wait has a deadline, so it fails when its condition never comes.
const ASSERTIONS: [&str; 8] = ["assert", "check", "expect_err", "panic", "proptest", "unwrap_err", "verify", "wait"];

/// What has been seen so far of one file.
pub(super) struct Scan<'a> {
    file: &'a TextFile,
    lines: Vec<&'a str>,
    /// The whole file counts as test code for the sleeping rule.
    waits: bool,
    /// Greater than 0 inside test code.
    test_depth: usize,
    /// Inside `impl Trait for Type`: the trait's author chose the signatures and described them.
    in_trait_impl: bool,
    /// Name of the type whose methods are being read.
    owner: String,
    /// Functions of this file that assert; a test may leave it to one of them.
    asserting: BTreeSet<String>,
    /// Names of the functions being read, outermost first.
    functions: Vec<String>,
    /// Lines that `#[cfg(test)]` items take.
    pub(super) test_lines: usize,
    /// Breaches.
    pub(super) findings: Vec<Finding>,
    /// Counts; lengths of files and of tests are the caller's.
    pub(super) figures: Figures,
}

impl<'a> Scan<'a> {
    pub(super) fn new(file: &'a TextFile, is_test: bool, waits: bool) -> Self {
        Self {
            file,
            lines: file.text.lines().collect(),
            waits,
            test_depth: usize::from(is_test),
            in_trait_impl: false,
            owner: String::new(),
            asserting: BTreeSet::new(),
            functions: Vec::new(),
            test_lines: 0,
            findings: Vec::new(),
            figures: Figures::default(),
        }
    }

    /// Reads the whole file.
    pub(super) fn run(&mut self, parsed: &syn::File) {
        let mut functions = Functions::default();
        functions.visit_file(parsed);
        // Twice, so that a helper of a helper counts; a third level deserves a clearer test.
        for _ in 0..2 {
            for (name, first, last) in &functions.0 {
                if self.asserts(*first, *last) {
                    self.asserting.insert(name.clone());
                }
            }
        }
        visit::visit_file(self, parsed);
    }

    /// True when the lines from `first` to `last` assert something, or call a function of this file that does.
    fn asserts(&self, first: usize, last: usize) -> bool {
        let whole = self.lines.get(first.saturating_sub(1)..last).unwrap_or_default().join("\n");
        let (_, body) = whole.split_once('{').unwrap_or_default();
        ASSERTIONS.iter().any(|word| body.contains(word))
            || self.asserting.iter().any(|name| body.contains(&format!("{name}(")))
    }

    fn in_test(&self) -> bool {
        self.test_depth > 0
    }

    fn report(&mut self, span: Span, rule: &'static str, message: String) {
        self.findings.push(Finding { path: self.file.path.clone(), line: span.start().line, rule, message });
    }

    /// Reads something that may be test code, and counts its lines as such.
    fn within(&mut self, attrs: &[Attribute], span: Span, read: impl FnOnce(&mut Self)) {
        let test = attrs.iter().any(is_test_attribute);
        if test && !self.in_test() {
            self.test_lines += span.end().line + 1 - span.start().line;
        }
        self.test_depth += usize::from(test);
        read(self);
        self.test_depth -= usize::from(test);
    }

    fn public(&mut self, vis: &Visibility, attrs: &[Attribute], name: &syn::Ident, judged: bool) {
        if matches!(vis, Visibility::Public(_)) {
            self.described(attrs, name, judged);
        }
    }

    /// Counts a public item; `judged` when its description must say more than its name: types, traits, and functions that take something. A field,
    /// constant or getter called `width` may be described as "Width."
    fn described(&mut self, attrs: &[Attribute], name: &syn::Ident, judged: bool) {
        if self.in_test() || self.in_trait_impl {
            return;
        }
        self.figures.public += 1;
        let Some(summary) = docs::summary(attrs) else { return };
        self.figures.documented += 1;
        if judged && docs::says_nothing(&summary, &[&name.to_string(), &self.owner]) {
            let message = format!(
                "the description of `{name}` only repeats its name; say what for, in which unit, or when it fails"
            );
            self.report(name.span(), "empty-doc", message);
        }
    }

    fn function(&mut self, signature: &Signature, block: Option<&Block>, attrs: &[Attribute]) {
        let name = signature.ident.to_string();
        if let Some(token) = &signature.unsafety {
            self.unsafety(token.span);
        }
        if !self.in_test() {
            let parameters = signature.inputs.len();
            if parameters > PARAMETERS_MAX && !self.in_trait_impl {
                let message =
                    format!("`{name}` has {parameters} parameters; at most {PARAMETERS_MAX}: give them a struct");
                self.report(signature.ident.span(), "parameters", message);
            }
            if let Some(block) = block {
                let (first, last) = lines_of(signature, block);
                let lines = last + 1 - first;
                self.figures.function_lines.push(lines);
                if lines > FUNCTION_LINES_MAX {
                    let message = format!("`{name}` has {lines} lines; at most {FUNCTION_LINES_MAX}");
                    self.report(signature.ident.span(), "function-length", message);
                }
            }
        }
        if let (Some(block), true) = (block, attrs.iter().any(is_test_function)) {
            let (first, last) = lines_of(signature, block);
            let panics = attrs.iter().any(|attr| attr.path().is_ident("should_panic"));
            if !panics && !self.asserts(first, last) {
                self.report(signature.ident.span(), "assertion", format!("`{name}` asserts nothing"));
            }
        }
    }

    fn unsafety(&mut self, span: Span) {
        self.figures.unsafes += 1;
        let line = span.start().line;
        let above = self.lines.get(line.saturating_sub(SAFETY_LINES_MAX + 1)..line).unwrap_or_default();
        let explained = above.iter().any(|line| line.contains("SAFETY:") || line.contains("# Safety"));
        self.figures.safeties += usize::from(explained);
        if !UNSAFE_FILES.contains(&self.file.path.as_str()) {
            let message =
                "`unsafe` is not allowed in this file; UNSAFE_FILES of tests/tidy lists those that may".to_owned();
            self.report(span, "unsafe", message);
        }
        if !explained {
            self.report(span, "unsafe", "`unsafe` without a SAFETY comment above it".to_owned());
        }
    }

    fn unwrap(&mut self, span: Span) {
        if !self.in_test() {
            self.figures.unwraps += 1;
            self.report(span, "unwrap", "`unwrap()` outside tests; `expect` says why it cannot fail".to_owned());
        }
    }

    fn sleep(&mut self, span: Span) {
        let excused = self.functions.iter().any(|name| name.starts_with("wait"));
        if (self.in_test() || self.waits) && !excused {
            let message = "a test sleeps; wait for a condition with a deadline in a function named `wait_…`".to_owned();
            self.report(span, "sleep", message);
        }
    }

    /// Macro arguments are tokens only: looks for the same words in them.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(ident) => {
                    let called = |empty: bool| match tokens.get(at + 1) {
                        Some(TokenTree::Group(group)) => {
                            group.delimiter() == Delimiter::Parenthesis && (!empty || group.stream().is_empty())
                        }
                        _ => false,
                    };
                    let before = at.checked_sub(1).and_then(|i| tokens.get(i));
                    let after_dot = matches!(before, Some(TokenTree::Punct(dot)) if dot.as_char() == '.');
                    if ident == "unwrap" && after_dot && called(true) {
                        self.unwrap(ident.span());
                    } else if ident == "sleep" && !after_dot && called(false) {
                        self.sleep(ident.span());
                    } else if ident == "unsafe" {
                        self.unsafety(ident.span());
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Scan<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        self.within(attributes(item), item.span(), |scan| {
            match item {
                Item::Const(it) => scan.public(&it.vis, &it.attrs, &it.ident, false),
                Item::Enum(it) => scan.public(&it.vis, &it.attrs, &it.ident, true),
                Item::Mod(it) if it.content.is_some() => scan.public(&it.vis, &it.attrs, &it.ident, true),
                Item::Static(it) => scan.public(&it.vis, &it.attrs, &it.ident, false),
                Item::Struct(it) => scan.public(&it.vis, &it.attrs, &it.ident, true),
                Item::Trait(it) => scan.public(&it.vis, &it.attrs, &it.ident, true),
                Item::Type(it) => scan.public(&it.vis, &it.attrs, &it.ident, true),
                Item::Union(it) => scan.public(&it.vis, &it.attrs, &it.ident, true),
                _ => {}
            }
            visit::visit_item(scan, item);
        });
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.public(&item.vis, &item.attrs, &item.sig.ident, takes_something(&item.sig));
        self.function(&item.sig, Some(&item.block), &item.attrs);
        self.functions.push(item.sig.ident.to_string());
        visit::visit_item_fn(self, item);
        self.functions.pop();
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        if matches!(item.vis, Visibility::Public(_)) {
            for variant in &item.variants {
                self.described(&variant.attrs, &variant.ident, false);
            }
        }
        visit::visit_item_enum(self, item);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let (Visibility::Public(_), Some(ident)) = (&field.vis, &field.ident) {
            self.described(&field.attrs, ident, false);
        }
        visit::visit_field(self, field);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        let public = matches!(item.vis, Visibility::Public(_));
        let outer = std::mem::replace(&mut self.owner, item.ident.to_string());
        for part in &item.items {
            if let TraitItem::Fn(method) = part {
                if public {
                    self.described(&method.attrs, &method.sig.ident, takes_something(&method.sig));
                }
                self.function(&method.sig, method.default.as_ref(), &method.attrs);
            }
        }
        visit::visit_item_trait(self, item);
        self.owner = outer;
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if let Some(token) = &item.unsafety {
            self.unsafety(token.span);
        }
        let name = match &*item.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default(),
            _ => String::new(),
        };
        let outer = (std::mem::replace(&mut self.owner, name), self.in_trait_impl);
        self.in_trait_impl = item.trait_.is_some();
        visit::visit_item_impl(self, item);
        (self.owner, self.in_trait_impl) = outer;
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        match item {
            ImplItem::Fn(method) => self.within(&method.attrs, method.span(), |scan| {
                scan.public(&method.vis, &method.attrs, &method.sig.ident, takes_something(&method.sig));
                scan.function(&method.sig, Some(&method.block), &method.attrs);
                scan.functions.push(method.sig.ident.to_string());
                visit::visit_impl_item(scan, item);
                scan.functions.pop();
            }),
            ImplItem::Const(constant) => {
                self.public(&constant.vis, &constant.attrs, &constant.ident, false);
                visit::visit_impl_item(self, item);
            }
            _ => visit::visit_impl_item(self, item),
        }
    }

    fn visit_attribute(&mut self, attr: &'ast Attribute) {
        let text = match &attr.meta {
            Meta::List(list) => list.tokens.to_string(),
            _ => String::new(),
        };
        let silences = |word: &str| attr.path().is_ident(word);
        let hidden = attr.path().is_ident("cfg_attr") && (text.contains("allow (") || text.contains("allow("));
        if (silences("allow") || silences("expect") || hidden) && !text.contains("reason") {
            self.report(attr.span(), "allow", "a lint is silenced without `reason = \"…\"`".to_owned());
        }
        visit::visit_attribute(self, attr);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "unwrap" && call.args.is_empty() {
            self.unwrap(call.method.span());
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(path) = &*call.func
            && path.path.segments.last().is_some_and(|last| last.ident == "sleep")
        {
            self.sleep(path.span());
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.unsafety(block.unsafe_token.span);
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        let name = invocation.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
        if name.contains("assert") && !self.in_test() {
            self.figures.asserts += 1;
        }
        self.tokens(invocation.tokens.clone());
        visit::visit_macro(self, invocation);
    }
}

/// True for a function with a parameter beside `self`: the name alone cannot say what becomes of it.
fn takes_something(signature: &Signature) -> bool {
    signature.inputs.iter().any(|input| matches!(input, syn::FnArg::Typed(_)))
}

/// First and last line of a function, its attributes and description left out.
fn lines_of(signature: &Signature, block: &Block) -> (usize, usize) {
    (signature.span().start().line, block.brace_token.span.close().end().line)
}

/// Every function of a file with its first and last line.
#[derive(Default)]
struct Functions(Vec<(String, usize, usize)>);

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let (first, last) = lines_of(&item.sig, &item.block);
        self.0.push((item.sig.ident.to_string(), first, last));
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        let (first, last) = lines_of(&item.sig, &item.block);
        self.0.push((item.sig.ident.to_string(), first, last));
        visit::visit_impl_item_fn(self, item);
    }
}

/// `#[cfg(test)]`, `#[cfg(all(test, …))]`, `#[test]`, `#[tokio::test]`.
fn is_test_attribute(attr: &Attribute) -> bool {
    let Meta::List(list) = &attr.meta else { return is_test_function(attr) };
    let is_test = |token: TokenTree| matches!(token, TokenTree::Ident(ident) if ident == "test");
    let nested = |token: TokenTree| match token {
        TokenTree::Group(group) => group.stream().into_iter().any(is_test),
        other => is_test(other),
    };
    (attr.path().is_ident("cfg") && list.tokens.clone().into_iter().any(nested)) || is_test_function(attr)
}

/// `#[test]` and `#[tokio::test]`.
fn is_test_function(attr: &Attribute) -> bool {
    attr.path().segments.last().is_some_and(|last| last.ident == "test")
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Macro(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Static(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Trait(it) => &it.attrs,
        Item::Type(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

/// Files that a `#[cfg(test)] mod name;` of `file` pulls in, wherever they may lie.
pub(super) fn test_modules(file: &TextFile, parsed: &syn::File) -> Vec<String> {
    let folder = file.folder();
    let own = file.name().trim_end_matches(".rs");
    let own_folder = if ["lib", "main", "mod"].contains(&own) { folder.to_owned() } else { format!("{folder}/{own}") };
    let mut found = Vec::new();
    for item in &parsed.items {
        if let Item::Mod(module) = item
            && module.content.is_none()
            && module.attrs.iter().any(is_test_attribute)
        {
            found.push(format!("{own_folder}/{}.rs", module.ident));
            found.push(format!("{own_folder}/{}/mod.rs", module.ident));
        }
    }
    found
}
