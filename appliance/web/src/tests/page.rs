//! The page's files, whatever the last build left: none, or all.

use super::station::{Ask, Station};
use crate::page::Files;

#[tokio::test]
async fn the_page_or_a_plain_sentence_is_at_every_place_of_the_page() {
    let station = Station::new();
    let built = Files::get("index.html").is_some();
    for path in ["/", "/cameras/1/timeline", "/people"] {
        let answer = station.get(path, "").await;
        assert_eq!(answer.status, 200, "{path}");
        let kind = if built { "text/html; charset=utf-8" } else { "text/plain; charset=utf-8" };
        assert_eq!(answer.header("content-type"), kind, "{path}");
    }
    if !built {
        assert!(String::from_utf8_lossy(&station.get("/", "").await.body).contains("without its page"));
    }
}

#[tokio::test]
async fn every_file_has_its_kind_and_is_sent_once() {
    let station = Station::new();
    for path in Files::iter() {
        let path = format!("/{path}");
        let answer = station.get(&path, "").await;
        assert_eq!(answer.status, 200, "{path}");
        assert_ne!(answer.header("content-type"), "application/octet-stream", "{path}: its kind is missing in page.rs");
        let again = Ask::new("GET", &path).header("if-none-match", answer.header("etag"));
        let again = station.send(again).await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{path}");
        let hashed = path.starts_with("/assets/");
        assert_eq!(answer.header("cache-control").contains("immutable"), hashed, "{path}");
    }
}

#[test]
fn the_page_has_nothing_inline_that_its_policy_forbids() {
    let Some(index) = Files::get("index.html") else { return };
    let html = String::from_utf8_lossy(&index.data).to_lowercase();
    for script in html.split("<script").skip(1) {
        let tag = script.split('>').next().unwrap_or_default();
        assert!(tag.contains("src="), "an inline script: <script{tag}>");
    }
    for forbidden in ["<style", " style=", " onclick=", " onload=", "javascript:", "http://", "https://"] {
        assert!(!html.contains(forbidden), "index.html has {forbidden}");
    }
}
