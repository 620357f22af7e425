//! Masks in the camera (Media2 Specification 5.11): what is under them is in no picture that leaves it.
//!
//! The masks are the recorder's own, in fractions of the picture from its upper left corner; a camera counts from -1 to 1 from its middle, upwards. They are set, read
//! back, and looked at again and again, because cameras lose them: after a change of resolution, a reset, a firmware update. Masks that somebody made on the camera
//! itself are left alone.

use super::link::Link;
use super::xml::{Node, as_token, child, children, escaped, number, path, text, token_of, truth};
use super::{MEDIA2, SCHEMA};
use crate::failure::Failure;
use core::fmt::Write as _;
use url::Url;
use watchbook_base::GapReason;

/// Masks and corners of one answer that are looked at.
pub(super) const MASKS_MAX: usize = 64;
pub(super) const CORNERS_MAX: usize = 64;
/// How far a corner may be from where it was set, as a fraction of the picture: cameras round to blocks of up to 16 pixels, which is 0.02 of a small picture's height.
const TOLERANCE: f64 = 0.02;
const NEXT: &str = "Set the masks on the camera's own page and switch this off here, or update the camera's firmware.";

/// A corner of a mask, as fractions of the picture's width and height from its upper left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Corner {
    /// 0 (left) to 1 (right).
    pub x: f64,
    /// 0 (top) to 1 (bottom).
    pub y: f64,
}

/// A mask that the camera has.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Held {
    pub(super) token: String,
    pub(super) outline: Vec<Corner>,
    enabled: bool,
}

/// What became of the masks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Tokens of the masks that the recorder made.
    pub(super) ours: Vec<String>,
    /// How many were not there when it was looked.
    pub(super) were_missing: usize,
    /// How many are not there after they were set.
    pub(super) missing: usize,
    /// What the camera says about these.
    pub(super) why: Option<String>,
}

/// The masks of one camera: of the source of its first profile.
pub(super) struct Masking {
    url: Url,
    configuration: String,
    /// What the camera calls a mask that nothing can be seen through.
    kind: String,
    masks_max: usize,
    corners_max: usize,
    rectangles: bool,
}

impl Masking {
    /// Asks what the camera can do.
    ///
    /// # Errors
    /// It has no masks, or refuses.
    pub(super) async fn open(link: &mut Link) -> Result<Self, Failure> {
        let url = link.needed(MEDIA2, "masks", NEXT)?;
        let profiles = "<GetProfiles><Type>VideoSource</Type></GetProfiles>";
        let asking = link.caller.call(&url, MEDIA2, profiles, |reply| {
            let mut sources =
                children(reply, "Profiles").filter_map(|profile| path(profile, &["Configurations", "VideoSource"]));
            sources.find_map(token_of).ok_or("no profile has a video source")
        });
        let configuration = asking.await.map_err(next)?;
        let options = format!(
            "<GetMaskOptions><ConfigurationToken>{}</ConfigurationToken></GetMaskOptions>",
            escaped(&configuration)
        );
        let asking = link.caller.call(&url, MEDIA2, &options, |reply| {
            let options = child(reply, "Options").ok_or("it tells nothing about masks")?;
            let types: Vec<String> = children(options, "Types").take(8).map(super::xml::own_text).collect();
            let kind = types.iter().find(|kind| *kind == "Color").or(types.first()).cloned();
            let number = |name| usize::try_from(number(options, &[name])).unwrap_or(0);
            let rectangles = options.attribute("RectangleOnly").and_then(truth).unwrap_or(false);
            Ok((kind.unwrap_or_else(|| "Color".to_owned()), number("MaxMasks"), number("MaxPoints"), rectangles))
        });
        let (kind, masks_max, corners_max, rectangles) = asking.await.map_err(next)?;
        Ok(Self { url, configuration, kind, masks_max, corners_max, rectangles })
    }

    /// Looks whether the camera has all of `wanted`, and sets what is not there. `ours` are the tokens of the masks that the recorder made before: what is no longer
    /// wanted of these is taken away.
    ///
    /// # Errors
    /// The camera is gone or does not tell its masks. That it does not take one is an outcome.
    pub(super) async fn keep(
        &self,
        link: &mut Link,
        wanted: &[Vec<Corner>],
        ours: &[String],
    ) -> Result<Outcome, Failure> {
        let wanted: Vec<Vec<Corner>> = wanted.iter().map(|outline| self.fitting(outline)).collect();
        let held = self.masks(link).await?;
        let found = find(&wanted, &held);
        let mut outcome =
            Outcome { were_missing: found.iter().filter(|token| token.is_none()).count(), ..Outcome::default() };
        let used: Vec<&String> = found.iter().flatten().collect();
        let is_ours = |token: &String| ours.contains(token) && held.iter().any(|held| held.token == *token);
        let mut spare: Vec<String> = held
            .iter()
            .map(|held| held.token.clone())
            .filter(|token| is_ours(token) && !used.contains(&token))
            .collect();
        outcome.ours = used.iter().map(|token| (*token).clone()).filter(is_ours).collect();
        let mut changed = false;
        for (outline, _) in wanted.iter().zip(&found).filter(|(_, token)| token.is_none()) {
            changed = true;
            match self.set(link, outline, spare.pop()).await {
                Ok(token) => outcome.ours.push(token),
                Err(failure) if failure.reason == GapReason::StreamUnusable => outcome.why = Some(failure.detail),
                Err(failure) => return Err(failure),
            }
        }
        for token in spare {
            changed = true;
            let body = format!("<DeleteMask><Token>{}</Token></DeleteMask>", escaped(&token));
            if let Err(failure) = link.caller.call(&self.url, MEDIA2, &body, |_| Ok(())).await {
                // It is tried again at the next look.
                outcome.ours.push(token);
                outcome.why = Some(failure.detail);
            }
        }
        let after = if changed { find(&wanted, &self.masks(link).await?) } else { found };
        outcome.missing = after.iter().filter(|token| token.is_none()).count();
        if outcome.missing > 0 && wanted.len() > self.masks_max {
            outcome.why = Some(format!("The camera has room for {} masks.", self.masks_max));
        }
        Ok(outcome)
    }

    /// `outline` as far as the camera can draw it: where it takes rectangles alone, or fewer corners, the rectangle around it.
    fn fitting(&self, outline: &[Corner]) -> Vec<Corner> {
        if !self.rectangles && (outline.len() <= self.corners_max || self.corners_max < 4) {
            return outline.to_vec();
        }
        let (mut left, mut top, mut right, mut bottom) = (1.0_f64, 1.0_f64, 0.0_f64, 0.0_f64);
        for corner in outline {
            (left, right) = (left.min(corner.x), right.max(corner.x));
            (top, bottom) = (top.min(corner.y), bottom.max(corner.y));
        }
        [(left, top), (right, top), (right, bottom), (left, bottom)].map(|(x, y)| Corner { x, y }).to_vec()
    }

    async fn masks(&self, link: &mut Link) -> Result<Vec<Held>, Failure> {
        let body =
            format!("<GetMasks><ConfigurationToken>{}</ConfigurationToken></GetMasks>", escaped(&self.configuration));
        link.caller.call(&self.url, MEDIA2, &body, |reply| Ok(masks(reply))).await.map_err(next)
    }

    /// Makes a mask, or draws that of `token` anew. Returns its token.
    async fn set(&self, link: &mut Link, outline: &[Corner], token: Option<String>) -> Result<String, Failure> {
        let mask = self.element(outline, token.as_deref());
        match token {
            Some(token) => {
                let body = format!("<SetMask>{mask}</SetMask>");
                link.caller.call(&self.url, MEDIA2, &body, |_| Ok(token)).await
            }
            None => {
                let body = format!("<CreateMask>{mask}</CreateMask>");
                let read = |reply: Node<'_, '_>| as_token(&text(reply, "Token")).ok_or("it names no mask");
                link.caller.call(&self.url, MEDIA2, &body, read).await
            }
        }
    }

    fn element(&self, outline: &[Corner], token: Option<&str>) -> String {
        let token = token.map(|token| format!(" token=\"{}\"", escaped(token))).unwrap_or_default();
        let mut points = String::new();
        for Corner { x, y } in outline {
            let _ = write!(points, "<t:Point x=\"{:.4}\" y=\"{:.4}\"/>", 2.0 * x - 1.0, 1.0 - 2.0 * y);
        }
        format!(
            "<Mask{token}><ConfigurationToken>{}</ConfigurationToken><Polygon xmlns:t=\"{SCHEMA}\">{points}</Polygon>\
             <Type>{}</Type><Enabled>true</Enabled></Mask>",
            escaped(&self.configuration),
            escaped(&self.kind)
        )
    }
}

/// What a refusal here asks of a person has nothing to do with streams.
fn next(failure: Failure) -> Failure {
    match failure.reason {
        GapReason::StreamUnusable => Failure { next_step: NEXT.to_owned(), ..failure },
        _ => failure,
    }
}

/// The masks of a `GetMasksResponse`. One that has a corner which is no number covers nobody knows what, and is none.
pub(super) fn masks(reply: Node<'_, '_>) -> Vec<Held> {
    let corner = |point: Node<'_, '_>| {
        let coordinate = |name| point.attribute(name)?.trim().parse::<f64>().ok().filter(|value| value.is_finite());
        Some(Corner { x: (coordinate("x")? + 1.0) / 2.0, y: (1.0 - coordinate("y")?) / 2.0 })
    };
    let mask = |mask: Node<'_, '_>| {
        let outline: Option<Vec<Corner>> =
            children(child(mask, "Polygon")?, "Point").take(CORNERS_MAX).map(corner).collect();
        Some(Held {
            token: token_of(mask)?,
            outline: outline?,
            enabled: truth(&text(mask, "Enabled")).unwrap_or(false),
        })
    };
    children(reply, "Masks").take(MASKS_MAX).filter_map(mask).collect()
}

/// For each of `wanted` the token of a mask that is it.
pub(super) fn find(wanted: &[Vec<Corner>], held: &[Held]) -> Vec<Option<String>> {
    let mut free: Vec<&Held> = held.iter().filter(|held| held.enabled).collect();
    let mut one = |outline: &Vec<Corner>| {
        let place = free.iter().position(|held| same(outline, &held.outline))?;
        Some(free.swap_remove(place).token.clone())
    };
    wanted.iter().map(&mut one).collect()
}

/// The same outline, whichever corner a camera begins with and whichever way round it goes.
fn same(one: &[Corner], other: &[Corner]) -> bool {
    let near = |a: &Corner, b: &Corner| (a.x - b.x).abs() <= TOLERANCE && (a.y - b.y).abs() <= TOLERANCE;
    let count = one.len();
    let turned = |first: usize, back: bool| {
        (0..count).all(|step| {
            let at = if back { first + count - step } else { first + step } % count;
            near(&one[step], &other[at])
        })
    };
    count > 0 && count == other.len() && (0..count).any(|first| turned(first, false) || turned(first, true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onvif::xml::parse;
    use proptest::prelude::*;

    fn outline(corners: &[(f64, f64)]) -> Vec<Corner> {
        corners.iter().map(|(x, y)| Corner { x: *x, y: *y }).collect()
    }

    fn masking(rectangles: bool, corners_max: usize) -> Masking {
        let url = Url::parse("http://192.168.1.10/onvif/media2").unwrap();
        Masking { url, configuration: "v <0>".into(), kind: "Color".into(), masks_max: 8, corners_max, rectangles }
    }

    #[test]
    fn corners_are_counted_from_the_middle_upwards() {
        let element = masking(false, 8).element(&outline(&[(0.0, 0.0), (1.0, 0.0), (0.25, 0.75)]), Some("m\"1"));
        // ONVIF Core, "Normalized coordinates": left and bottom -1, right and top 1.
        assert!(
            element.contains("x=\"-1.0000\" y=\"1.0000\"") && element.contains("x=\"1.0000\" y=\"1.0000\""),
            "{element}"
        );
        assert!(element.contains("x=\"-0.5000\" y=\"-0.5000\"") && element.contains("token=\"m&quot;1\""), "{element}");
        let reply = format!("<r>{}</r>", element.replace("<Mask ", "<Masks ").replace("</Mask>", "</Masks>"));
        let read = masks(parse(&reply).unwrap().root_element());
        assert!(
            read[0].enabled
                && read[0].token == "m\"1"
                && same(&read[0].outline, &outline(&[(0.0, 0.0), (1.0, 0.0), (0.25, 0.75)]))
        );
    }

    #[test]
    fn a_camera_that_takes_rectangles_covers_more_and_never_less() {
        let star = outline(&[(0.2, 0.5), (0.5, 0.1), (0.8, 0.6), (0.5, 0.4), (0.3, 0.9)]);
        let around = outline(&[(0.2, 0.1), (0.8, 0.1), (0.8, 0.9), (0.2, 0.9)]);
        assert_eq!(masking(true, 4).fitting(&star), around);
        assert_eq!(masking(false, 4).fitting(&star), around);
        assert_eq!(masking(false, 5).fitting(&star), star);
    }

    #[test]
    fn a_mask_is_known_again_from_any_corner_and_not_when_it_is_off_or_elsewhere() {
        let wanted = outline(&[(0.1, 0.1), (0.5, 0.1), (0.5, 0.5)]);
        let held = |corners: &[(f64, f64)], enabled| Held { token: "1".into(), outline: outline(corners), enabled };
        let found = |held: Held| find(core::slice::from_ref(&wanted), &[held])[0].is_some();
        assert!(found(held(&[(0.5, 0.51), (0.1, 0.1), (0.5, 0.1)], true)));
        assert!(found(held(&[(0.5, 0.5), (0.5, 0.1), (0.11, 0.1)], true)), "the other way round");
        assert!(!found(held(&[(0.1, 0.1), (0.5, 0.1), (0.5, 0.5)], false)), "transparent");
        assert!(!found(held(&[(0.1, 0.1), (0.5, 0.1), (0.5, 0.45)], true)), "smaller");
        assert!(!found(held(&[(0.1, 0.1), (0.5, 0.1)], true)) && !found(held(&[], true)));
        // One mask does not stand for two.
        assert_eq!(
            find(&[wanted.clone(), wanted.clone()], &[held(&[(0.1, 0.1), (0.5, 0.1), (0.5, 0.5)], true)]),
            [Some("1".into()), None]
        );
    }

    proptest! {
        #[test]
        fn no_answer_panics(x in "\\PC{0,12}", y in "[-0-9.eEinfNa]{0,12}", token in "\\PC{0,80}") {
            let escaped = crate::onvif::xml::escaped;
            let text = format!(
                "<r><Masks token=\"{}\"><Polygon><Point x=\"{}\" y=\"{y}\"/></Polygon><Enabled>{}</Enabled></Masks></r>",
                escaped(&token), escaped(&x), escaped(&x)
            );
            for held in masks(parse(&text).unwrap().root_element()) {
                prop_assert!(held.outline.iter().all(|corner| corner.x.is_finite() && corner.y.is_finite()));
                prop_assert!(held.token.chars().count() <= 64);
            }
        }

        #[test]
        fn what_is_set_is_what_is_read(corners in prop::collection::vec((0.0..=1.0_f64, 0.0..=1.0_f64), 3..32)) {
            let wanted = outline(&corners);
            let element = masking(false, 32).element(&wanted, Some("1"));
            let reply = format!("<r>{}</r>", element.replace("<Mask ", "<Masks ").replace("</Mask>", "</Masks>"));
            let read = masks(parse(&reply).unwrap().root_element());
            prop_assert_eq!(find(&[wanted], &read), [Some("1".to_owned())]);
        }
    }
}
