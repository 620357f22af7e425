//! The page that goes into each bundle: it plays the masters and checks everything that `watchbook-verify` checks, in a browser without a network.
//!
//! `make page` builds it from the folder `player` of this crate.

/// The whole page. Empty in a program that was built before the page was; then bundles go without one.
pub const HTML: &str = include_str!(concat!(env!("OUT_DIR"), "/player.html"));

#[cfg(test)]
mod tests {
    use super::HTML;

    #[test]
    fn a_player_that_is_there_loads_nothing() {
        if HTML.is_empty() {
            // Built without the page; `make test` builds it first.
            assert!(!std::path::Path::new("player/dist/player.html").exists(), "the page was built and is not in here");
            return;
        }
        assert!(HTML.contains("content=\"default-src 'none'; script-src 'sha256-"));
        for door in ["<script src", "<link", "<img", "<iframe", "@import", "url(http", "unsafe-inline", "unsafe-eval"] {
            assert!(!HTML.contains(door), "{door}");
        }
    }
}
