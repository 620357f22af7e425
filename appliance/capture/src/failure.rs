//! What went wrong with a session, as a reason for the record and as sentences for people.

use crate::tls::Fingerprint;
use core::fmt;
use watchbook_base::GapReason;

/// Why a stream gives no picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For the record: the reason of the gap.
    pub reason: GapReason,
    /// What happened, as a sentence. Names the host, never the password.
    pub detail: String,
    /// What a person can do.
    pub next_step: String,
    /// Trying again at once is right: the session broke off after a fault that a new one is likely to mend.
    pub(crate) at_once: bool,
    /// It did not say no; it said nothing.
    pub(crate) no_answer: bool,
    /// The camera serves as many viewers as it can.
    pub(crate) no_room: bool,
    /// The certificate that the camera showed and that is not trusted.
    pub certificate: Option<Fingerprint>,
}

impl Failure {
    pub(crate) fn new(reason: GapReason, detail: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
            next_step: next_step.into(),
            at_once: false,
            no_answer: false,
            no_room: false,
            certificate: None,
        }
    }

    /// The same, to be tried again at once.
    pub(crate) fn at_once(self) -> Self {
        Self { at_once: true, ..self }
    }

    /// The same: nothing came.
    pub(crate) fn without_answer(self) -> Self {
        Self { no_answer: true, ..self }
    }

    /// The same: the camera serves others.
    fn without_room(self) -> Self {
        Self { no_room: true, ..self }
    }

    /// The camera has no room for a sub stream beside its main one.
    pub(crate) fn yielded(host_port: &str) -> Self {
        Self::status(host_port, 453, false)
    }

    /// The same, with the certificate that was not trusted.
    pub(crate) fn showing(self, certificate: Fingerprint) -> Self {
        Self { certificate: Some(certificate), ..self }
    }

    /// Nothing answers at `host_port`; `why` as the operating system says it.
    pub(crate) fn unreachable(host_port: &str, why: &str) -> Self {
        let lookup = why.contains("lookup address") || why.contains("Name or service");
        let detail = if lookup {
            format!("The name of the camera's host in {host_port} is not known on this network.")
        } else {
            format!("No camera answers at {host_port}: {why}.")
        };
        Self::new(
            GapReason::CameraGone,
            detail,
            "Check the camera's power, its network cable and the address. It is tried again by itself.",
        )
    }

    /// It took the connection and then said nothing.
    pub(crate) fn no_answer(host_port: &str, what: &str, wait_s: u64) -> Self {
        Self::new(
            GapReason::CameraGone,
            format!("The camera at {host_port} did not answer {what} within {wait_s} s."),
            "Check that the address and the port are those of the camera's video service. It is tried again by itself.",
        )
        .without_answer()
    }

    /// The connection broke off.
    pub(crate) fn closed(host_port: &str, why: &str) -> Self {
        Self::new(
            GapReason::CameraGone,
            format!("The camera at {host_port} closed the connection{}{why}.", if why.is_empty() { "" } else { ": " }),
            "Nothing, if the camera restarts. Else check the network, and whether too many viewers are connected to it.",
        )
    }

    /// 401 or 403.
    pub(crate) fn denied(host_port: &str, tried: bool) -> Self {
        let (detail, next_step) = if tried {
            (
                format!("The camera at {host_port} refuses the user name or password."),
                "Enter the user name and password of an account on the camera.",
            )
        } else {
            (
                format!("The camera at {host_port} asks for a user name and password."),
                "Enter the user name and password of an account on the camera.",
            )
        };
        Self::new(GapReason::CameraDenied, detail, next_step)
    }

    /// The server answered a request with `status`.
    pub(crate) fn status(host_port: &str, status: u16, tried_password: bool) -> Self {
        let unusable = |detail: String, next_step: &str| Self::new(GapReason::StreamUnusable, detail, next_step);
        match status {
            401 | 403 => Self::denied(host_port, tried_password),
            404 | 410 | 451 | 454 => unusable(
                format!("The camera at {host_port} has no stream at this path."),
                "Correct the part of the address after the host; the camera's manual or its own page names it.",
            ),
            300..=399 => unusable(
                format!("The camera at {host_port} redirects to another address, which is refused."),
                "Enter the final address of the stream.",
            ),
            461 => unusable(
                format!("The camera at {host_port} does not offer this transport."),
                "Switch the camera's transport between TCP and UDP.",
            ),
            453 | 503 => Self::new(
                GapReason::CameraGone,
                format!("The camera at {host_port} has no room for another viewer."),
                "Close other players of this camera, or raise its number of allowed connections. A camera that allows a single viewer gives its main stream only: leave out its sub stream.",
            )
            .without_room(),
            500..=599 => Self::new(
                GapReason::CameraGone,
                format!("The camera at {host_port} reports an error of its own (status {status})."),
                "Restart the camera if this lasts. It is tried again by itself.",
            ),
            _ => unusable(
                format!("The camera at {host_port} refuses the request (status {status})."),
                "Check the address with another player, and the camera's firmware.",
            ),
        }
    }

    /// It answers, but what it sends cannot be recorded.
    pub(crate) fn unusable(detail: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self::new(GapReason::StreamUnusable, detail, next_step)
    }

    /// Connected, but no picture for `silent_s`, and nobody takes another connection.
    pub(crate) fn away(host_port: &str, silent_s: u64) -> Self {
        Self::new(
            GapReason::CameraGone,
            format!("The camera at {host_port} has sent no picture for {silent_s} s and takes no connection."),
            "Check the camera's power and the network up to it. It is tried again by itself.",
        )
        .without_answer()
    }

    /// The same, but it takes connections again after so long.
    pub(crate) fn was_away(host_port: &str, silent_s: u64) -> Self {
        Self::new(
            GapReason::CameraGone,
            format!("The camera at {host_port}, or the network up to it, was away for {silent_s} s and is back."),
            "Nothing: a new session is opened at once. If this happens often, check cables and switches.",
        )
        .at_once()
    }

    /// Connected, but no picture for `silent_s`.
    pub(crate) fn silent(host_port: &str, silent_s: u64) -> Self {
        Self::new(
            GapReason::CameraSilent,
            format!("The camera at {host_port} has sent no picture for {silent_s} s."),
            "Nothing, if the camera restarts. Else restart it, or switch the transport between TCP and UDP.",
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.detail, self.next_step)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_gives_a_reason_and_two_sentences() {
        for (status, reason) in [
            (301, GapReason::StreamUnusable),
            (400, GapReason::StreamUnusable),
            (401, GapReason::CameraDenied),
            (403, GapReason::CameraDenied),
            (404, GapReason::StreamUnusable),
            (453, GapReason::CameraGone),
            (454, GapReason::StreamUnusable),
            (461, GapReason::StreamUnusable),
            (500, GapReason::CameraGone),
            (599, GapReason::CameraGone),
            (999, GapReason::StreamUnusable),
        ] {
            let failure = Failure::status("h:554", status, true);
            assert_eq!(failure.reason, reason, "{status}");
            assert!(failure.detail.ends_with('.') && failure.next_step.ends_with('.'), "{failure}");
        }
        assert!(Failure::denied("h:554", false).detail.contains("asks for"));
        assert!(Failure::unreachable("h:554", "failed to lookup address information").detail.contains("not known"));
    }
}
