//! Requests of people who may be in the footage: why one is refused or takes longer, and who was given a copy. Closed lists, so that they can be counted and the log holds no
//! words about a person.

use serde::{Deserialize, Serialize};

/// Why somebody is not given footage of themselves (the grounds are those of GDPR articles 11, 12(5), 15(4) and 23).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusing {
    /// There is no such footage: nothing was recorded then, or it is erased.
    NoFootage,
    /// Whoever asks did not show who they are, or is not in the footage.
    NotIdentified,
    /// It would harm others who are in it, and they cannot be made unrecognisable.
    RightsOfOthers,
    /// It would harm an inquiry that is under way.
    Inquiry,
    /// The same was asked again and again, or without any ground.
    Unfounded,
    /// Another law forbids it.
    OtherLaw,
}

impl Refusing {
    /// Every reason.
    pub const ALL: [Self; 6] =
        [Self::NoFootage, Self::NotIdentified, Self::RightsOfOthers, Self::Inquiry, Self::Unfounded, Self::OtherLaw];
}

/// Why an answer takes longer (GDPR article 12(3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extension {
    /// Much footage, or many others in it.
    Complex,
    /// Many requests at once.
    ManyRequests,
}

/// Who was given a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisclosedTo {
    /// The person who is in the footage.
    DataSubject,
    /// Somebody who acts for that person, such as a lawyer or a parent.
    Representative,
}
