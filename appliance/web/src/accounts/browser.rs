//! What a browser says it is, as a word of a short list: what it sends is anybody's text and is not kept.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest text that is looked at. Browsers send about 150 bytes.
const AGENT_BYTES_MAX: usize = 512;

/// Family of a browser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BrowserName {
    /// Microsoft Edge.
    Edge,
    /// Samsung Internet.
    Samsung,
    /// Opera.
    Opera,
    /// Firefox.
    Firefox,
    /// Chrome or Chromium.
    Chrome,
    /// Safari.
    Safari,
    /// None of these, or no browser at all.
    #[default]
    Other,
}

/// Family of the system under it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SystemName {
    /// A telephone or tablet with Android.
    Android,
    /// An iPhone or iPad.
    Ios,
    /// Windows.
    Windows,
    /// A Mac.
    Macos,
    /// Linux on a computer.
    Linux,
    /// None of these, or not said.
    #[default]
    Other,
}

/// Both, as `User-Agent` has them. The first that fits counts: nearly all call themselves Safari, too.
pub(crate) fn told_by(agent: &str) -> (BrowserName, SystemName) {
    let mut end = agent.len().min(AGENT_BYTES_MAX);
    while !agent.is_char_boundary(end) {
        end -= 1;
    }
    let agent = &agent[..end];
    let browsers = [
        ("Edg", BrowserName::Edge),
        ("SamsungBrowser/", BrowserName::Samsung),
        ("OPR/", BrowserName::Opera),
        ("Firefox/", BrowserName::Firefox),
        ("FxiOS/", BrowserName::Firefox),
        ("CriOS/", BrowserName::Chrome),
        ("Chrome/", BrowserName::Chrome),
        ("Safari/", BrowserName::Safari),
    ];
    let systems = [
        ("Android", SystemName::Android),
        ("iPhone", SystemName::Ios),
        ("iPad", SystemName::Ios),
        ("Windows", SystemName::Windows),
        ("Macintosh", SystemName::Macos),
        ("Linux", SystemName::Linux),
    ];
    let browser = browsers.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    let system = systems.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    (browser.unwrap_or_default(), system.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As these browsers send it.
    #[test]
    fn browsers_are_told_by_what_they_send() {
        use BrowserName as B;
        use SystemName as S;
        let gecko = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (agent, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(), (B::Firefox, S::Linux)),
            (format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {gecko} Chrome/141.0.0.0 Safari/537.36"), (B::Chrome, S::Windows)),
            (format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {gecko} Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0"), (B::Edge, S::Windows)),
            (format!("Mozilla/5.0 (Linux; Android 10; K) {gecko} Chrome/141.0.0.0 Mobile Safari/537.36"), (B::Chrome, S::Android)),
            (format!("Mozilla/5.0 (Linux; Android 10; K) {gecko} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36"), (B::Samsung, S::Android)),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Version/18.6 Mobile/15E148 Safari/604.1".to_owned(), (B::Safari, S::Ios)),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.6 Safari/605.1.15".to_owned(), (B::Safari, S::Macos)),
            ("curl/8.14.1".to_owned(), (B::Other, S::Other)),
            (format!("{}Firefox/1", "ក".repeat(171)), (B::Other, S::Other)),
        ] {
            assert_eq!(told_by(&agent), expected, "{agent}");
        }
    }
}
