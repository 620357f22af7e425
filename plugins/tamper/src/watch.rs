//! Pictures in, marks out.

use crate::judge::{Looks, Patience, SHOWS, judge};
use crate::settings::Settings;
use crate::view::{Likeness, View};
use watchbook_plugin::{Analyzer, Fault, Frame, Mark, Setup, Zone};
use watchbook_plugin_common::{Picture, zones};

const MS: u64 = 1_000_000;
/// A picture after which so many are missing is not compared: the view is learnt afresh.
const GAP_MS: u64 = 600_000;
/// A fresh view is learnt for so long, and how fast it then follows slow changes, while all is good and while it is unclear, in milliseconds.
const LEARN_MS: u64 = 10_000;
const FOLLOW_MS: f32 = 60_000.0;
const FOLLOW_UNCLEAR_MS: f32 = 300_000.0;
/// A view that is darker or brighter than this against the usual one is one in another light.
const BRIGHTER: core::ops::Range<f32> = 0.67..1.5;
/// So much a turned view must be like the usual one, and so much more than the view that was not turned.
const TURNED: f32 = 0.45;
const TURNED_MORE: f32 = 0.2;

/// Watches one camera's view.
#[derive(Clone, Debug)]
pub struct Watch {
    settings: Settings,
    zones: Vec<Zone>,
    current: Option<Current>,
}

/// What is known of the camera at its present size.
#[derive(Clone, Debug)]
struct Current {
    size: (u32, u32),
    usual: View,
    looked_at: Vec<bool>,
    begun_ns: u64,
    last_ns: u64,
    patience: Patience,
}

impl Analyzer for Watch {
    fn start(setup: Setup) -> Result<Self, Fault> {
        let Setup { zones, settings_json, .. } = setup;
        zones::check(&zones).map_err(Fault::Config)?;
        Ok(Self { settings: Settings::parse(&settings_json)?, zones, current: None })
    }

    fn on_frame(&mut self, frame: &Frame<'_>) -> Result<Vec<Mark>, Fault> {
        let luma = frame.luma();
        let picture = &Picture::of(&frame.info(), &luma);
        picture.check().map_err(Fault::Internal)?;
        let (now, now_ns) = (View::of(picture), picture.utc_ns);
        let size = (picture.width, picture.height);
        let known = self.current.as_mut().filter(|current| {
            let late = now_ns.saturating_sub(current.last_ns) > GAP_MS * MS;
            current.size == size && !late && now_ns >= current.last_ns
        });
        let Some(current) = known else {
            let bits = zones::cells(&self.zones, size.0 as usize / 4, size.1 as usize / 4);
            let looked_at = bits.iter().map(|bits| *bits != 0).collect();
            let (begun_ns, last_ns, patience) = (now_ns, now_ns, Patience::default());
            self.current = Some(Current { size, usual: now, looked_at, begun_ns, last_ns, patience });
            return Ok(Vec::new());
        };
        Ok(current.step(now, self.settings, now_ns).into_iter().collect())
    }
}

impl Current {
    fn step(&mut self, now: View, settings: Settings, now_ns: u64) -> Option<Mark> {
        let since_ms = (now_ns - self.last_ns) / MS;
        self.last_ns = now_ns;
        if now_ns - self.begun_ns < LEARN_MS * MS {
            self.usual.learn(&now, 0.1);
            return None;
        }
        let brightness = now.brightness();
        if !self.usual.has_edges(&self.looked_at) {
            // A blank wall, or a night without a lamp: there is nothing to go by until there is.
            self.usual.learn(&now, (since_ms as f32 / FOLLOW_MS).min(0.2));
            return None;
        }
        let likeness = self.usual.compare(&now, &self.looked_at);
        let mut looks = judge(likeness, brightness, (settings.sensitivity, settings.dark_is_covered));
        // A scene with a rhythm is somewhat like itself when it is turned: it is more like itself when it is turned back.
        if looks == Looks::Unclear && likeness.sharp >= SHOWS && self.turn(&now, likeness).is_some() {
            looks = Looks::Moved;
        }
        match looks {
            Looks::Good => self.usual.learn(&now, (since_ms as f32 / FOLLOW_MS).min(0.2)),
            // Not from the dark: the view of the day is kept through the night.
            Looks::Unclear if likeness.edges > 0.0 && brightness.1 > 40.0 => {
                self.usual.learn(&now, (since_ms as f32 / FOLLOW_UNCLEAR_MS).min(0.2));
            }
            _ => {}
        }
        let (looks, since_ns) = self.patience.step(looks, u64::from(settings.hold_s) * 1000 * MS, now_ns)?;
        let (kind, note) = self.told(looks, &now, likeness)?;
        let since_ns = since_ns.max(now_ns.saturating_sub(GAP_MS * MS));
        Some(Mark::at(kind, since_ns).until(now_ns).score(0.9).note(note))
    }

    /// How far the view went, when it is much more like the usual one after it is turned back.
    fn turn(&self, now: &View, likeness: Likeness) -> Option<(isize, isize)> {
        let (turn, like) = self.usual.turned(now);
        (like >= TURNED && like >= likeness.edges + TURNED_MORE && turn != (0, 0)).then_some(turn)
    }

    fn told(&mut self, looks: Looks, now: &View, likeness: Likeness) -> Option<(&'static str, String)> {
        match looks {
            Looks::Covered => Some(("camera-covered", "Nothing of the usual view is left.".to_owned())),
            Looks::Defocused => {
                let left = (likeness.sharp * 100.0).clamp(0.0, 100.0) as u32;
                Some(("camera-defocused", format!("{left} % of the usual detail is left; the large shapes are there.")))
            }
            Looks::Moved => {
                let turn = self.turn(now, likeness);
                self.usual = now.clone();
                if let Some((across, down)) = turn {
                    return Some(("camera-moved", format!("The view went {}.", way(across, down))));
                }
                // Another light with other edges is the switch to infra-red, or lamps in a night: not told, and learnt.
                let same_light = BRIGHTER.contains(&likeness.light);
                same_light
                    .then(|| ("camera-moved", "It shows another view, or something large stands before it.".to_owned()))
            }
            Looks::Good | Looks::Unclear => None,
        }
    }
}

/// How far the view went, in percent of the picture's width and height; a cell is 4 of 640 by 360 pixels.
fn way(across: isize, down: isize) -> String {
    let part = |cells: isize, side: isize, (less, more): (&str, &str)| {
        let percent = cells.abs() * 4 * 100 / side;
        (percent > 0).then(|| format!("{percent} % {}", if cells < 0 { less } else { more }))
    };
    let parts = [part(across, 640, ("to the left", "to the right")), part(down, 360, ("up", "down"))];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" and ")
}
