//! A pull-point: the camera keeps what it notices until it is asked (Core Specification 9.1, real-time pull-point notification interface).

use super::events::{NOTIFICATIONS_MAX, Notification, notifications};
use super::link::Link;
use super::soap::Ask;
use super::xml::{Node, child, escaped, path, raw};
use super::{EVENTS, xml};
use crate::failure::Failure;
use core::time::Duration;
use url::Url;

const WSN: &str = "http://docs.oasis-open.org/wsn/b-2";
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
/// The camera drops a subscription that nobody renews for so long, so that a recorder that is gone costs it nothing.
const TERMINATION: &str = "PT2M";
/// How long a camera may wait for something to happen before it answers; an answer is waited for twice as long (`http`). Short, because between two answers masks
/// and clock are looked at.
const PULL: &str = "PT5S";
/// A subscription is renewed after so long. Asking alone renews it, too (9.1.1); firmwares exist that do one and not the other.
pub(super) const RENEW: Duration = Duration::from_secs(45);
/// Reference parameters that a camera wants back in each call (WS-Addressing 1.0 SOAP Binding 3), and their length in bytes.
const PARAMETERS_MAX: usize = 4;
const PARAMETER_BYTES_MAX: usize = 512;
const NEXT: &str = "Switch events off in the camera's settings here, or update the camera's firmware.";

/// A subscription.
pub(super) struct PullPoint {
    url: Url,
    /// Header blocks that name the subscription to the camera.
    parameters: String,
}

impl PullPoint {
    /// Subscribes to everything: what is of use is told apart here, because cameras differ most in which filters they understand.
    ///
    /// # Errors
    /// The camera has no events, or refuses.
    pub(super) async fn create(link: &mut Link) -> Result<Self, Failure> {
        let url = link.needed(EVENTS, "events", NEXT)?;
        let body = format!(
            "<CreatePullPointSubscription><InitialTerminationTime>{TERMINATION}</InitialTerminationTime></CreatePullPointSubscription>"
        );
        let action = "http://www.onvif.org/ver10/events/wsdl/EventPortType/CreatePullPointSubscriptionRequest";
        let headers = addressed(&url, action);
        let ask = Ask { url: &url, namespace: EVENTS, body: &body, action: Some(action), headers: &headers };
        let created = link.caller.ask(&ask, |reply| {
            let reference = child(reply, "SubscriptionReference").ok_or("it names no subscription")?;
            Ok((raw(reference, "Address"), parameters(reference)))
        });
        let (given, parameters) = created.await.map_err(next)?;
        // On the host that was asked, as every address that a camera gives; one that gives none is asked where it was asked before.
        let url = link.address.moved(&given).unwrap_or(url);
        Ok(Self { url, parameters })
    }

    /// Waits for what happens. Returns what is of use, and how many other notifications there were.
    ///
    /// # Errors
    /// The camera is gone, or does not know the subscription any more.
    pub(super) async fn pull(&self, link: &mut Link) -> Result<(Vec<Notification>, u64), Failure> {
        let body = format!(
            "<PullMessages><Timeout>{PULL}</Timeout><MessageLimit>{NOTIFICATIONS_MAX}</MessageLimit></PullMessages>"
        );
        let action = "http://www.onvif.org/ver10/events/wsdl/PullPointSubscription/PullMessagesRequest";
        self.ask(link, (EVENTS, &body, action), |reply| Ok(notifications(reply))).await
    }

    /// Keeps the subscription.
    ///
    /// # Errors
    /// The camera refuses: some do, and go on all the same.
    pub(super) async fn renew(&self, link: &mut Link) -> Result<(), Failure> {
        let body = format!("<Renew><TerminationTime>{TERMINATION}</TerminationTime></Renew>");
        let action = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/RenewRequest";
        self.ask(link, (WSN, &body, action), |_| Ok(())).await
    }

    /// Gives it up: some cameras have few places.
    ///
    /// # Errors
    /// The camera is gone, or refuses.
    pub(super) async fn unsubscribe(&self, link: &mut Link) -> Result<(), Failure> {
        let action = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/UnsubscribeRequest";
        self.ask(link, (WSN, "<Unsubscribe/>", action), |_| Ok(())).await
    }

    async fn ask<T>(
        &self,
        link: &mut Link,
        (namespace, body, action): (&str, &str, &str),
        read: impl FnOnce(Node<'_, '_>) -> Result<T, &'static str>,
    ) -> Result<T, Failure> {
        let headers = addressed(&self.url, action) + &self.parameters;
        let ask = Ask { url: &self.url, namespace, body, action: Some(action), headers: &headers };
        link.caller.ask(&ask, read).await.map_err(next)
    }
}

/// What a refusal here asks of a person has nothing to do with streams.
fn next(failure: Failure) -> Failure {
    match failure.reason {
        watchbook_base::GapReason::StreamUnusable => Failure { next_step: NEXT.to_owned(), ..failure },
        _ => failure,
    }
}

/// The header blocks of WS-Addressing 1.0 (Core, 3.2) that WS-Notification asks for.
fn addressed(to: &Url, action: &str) -> String {
    format!(
        "<a:Action xmlns:a=\"{ADDRESSING}\">{action}</a:Action><a:To xmlns:a=\"{ADDRESSING}\">{}</a:To>",
        escaped(to.as_str())
    )
}

/// The reference parameters as header blocks. Only elements that hold nothing but text are understood; what is more is left out.
pub(super) fn parameters(reference: Node<'_, '_>) -> String {
    let block = |parameter: Node<'_, '_>| {
        let (name, namespace) = (parameter.tag_name().name(), parameter.tag_name().namespace()?);
        let text = parameter.text().unwrap_or_default().trim();
        let fits = name.len() + namespace.len() + text.len() <= PARAMETER_BYTES_MAX;
        let plain = fits && parameter.children().all(|part| part.is_text());
        plain.then(|| {
            format!(
                "<p:{name} xmlns:p=\"{}\" xmlns:a=\"{ADDRESSING}\" a:IsReferenceParameter=\"true\">{}</p:{name}>",
                escaped(namespace),
                escaped(text)
            )
        })
    };
    let parameters = path(reference, &["ReferenceParameters"]);
    let elements = parameters.into_iter().flat_map(|parameters| parameters.children());
    elements.filter(xml::Node::is_element).take(PARAMETERS_MAX).filter_map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onvif::xml::parse;

    #[test]
    fn what_names_a_subscription_goes_back_to_the_camera_and_nothing_else() {
        let text = "<r xmlns:d='urn:maker'><ReferenceParameters><d:Id>7 &lt;b&gt;</d:Id><d:Deep><d:X/></d:Deep>\
                    <NoNamespace>1</NoNamespace><d:A/><d:Fifth>5</d:Fifth></ReferenceParameters></r>";
        let blocks = parameters(parse(text).unwrap().root_element());
        assert!(blocks.contains(">7 &lt;b&gt;</p:Id>") && blocks.contains("IsReferenceParameter=\"true\""), "{blocks}");
        assert!(!blocks.contains("Deep") && !blocks.contains("NoNamespace") && !blocks.contains("Fifth"), "{blocks}");
        assert!(parse(&format!("<h>{blocks}</h>")).is_ok(), "{blocks}");
        let long = format!(
            "<r xmlns:d='urn:maker'><ReferenceParameters><d:Id>{}</d:Id></ReferenceParameters></r>",
            "x".repeat(600)
        );
        assert_eq!(parameters(parse(&long).unwrap().root_element()), "");
    }
}
