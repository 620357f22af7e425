//! What the child says, and what comes of it.

use super::{Instance, Shared, State, Work};
use crate::message::{FromPlugins, InstanceNumber, PluginNumber};
use crate::status::{InstanceState, Report};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use watchbook_analysis::child::{Handler, Sender};
use watchbook_analysis::message::decode;
use watchbook_base::UtcNanos;

/// Takes what the child says.
pub(super) struct Reader(pub(super) Arc<Shared>);

impl Reader {
    /// Changes one instance under the lock and reports what `change` gives after it. A late word about an instance that was unbound is dropped.
    fn instance(&self, number: InstanceNumber, change: impl FnOnce(&mut Instance, &str) -> Vec<Report>) {
        let reports = {
            let mut state = self.0.lock();
            let State { plugins, instances, .. } = &mut *state;
            let Some(instance) = instances.get_mut(&number) else { return };
            let Some(plugin) = plugins.get(&instance.plugin) else { return };
            let id = &plugin.package.manifest.id;
            change(instance, id)
        };
        reports.into_iter().for_each(|report| (self.0.on)(report));
    }

    fn set(&self, number: InstanceNumber, to: InstanceState, sentence: Option<String>) {
        self.instance(number, |instance, plugin| {
            let camera = instance.status.camera;
            instance.status.state = to;
            if sentence.is_some() {
                instance.status.last_error.clone_from(&sentence);
            }
            vec![Report::State { camera, plugin: plugin.to_owned(), state: to, sentence }]
        });
    }

    fn refused(&self, plugin: PluginNumber, sentence: &str) {
        let numbers: Vec<InstanceNumber> = {
            let mut state = self.0.lock();
            let index = plugin as usize;
            if let Some(plugin) = state.plugins.get_mut(&index) {
                plugin.refused = Some(sentence.to_owned());
            }
            state.instances.iter().filter(|(_, instance)| instance.plugin == index).map(|(number, _)| *number).collect()
        };
        for number in numbers {
            self.set(number, InstanceState::Faulted, Some(sentence.to_owned()));
        }
    }
}

impl Handler for Reader {
    fn started(&self, _child: &Sender<'_>, generation: u32) {
        // Each instance is bound again with its next frame.
        tracing::info!(generation, "the plugin host runs");
    }

    fn message(&self, payload: &[u8], _descriptor: Option<OwnedFd>) -> Result<(), watchbook_analysis::Error> {
        match decode(payload)? {
            FromPlugins::Begun { missing } => {
                missing.iter().for_each(|sentence| tracing::warn!(sentence, "the plugin host's wall is not whole"));
                self.0.lock().wall = Some(missing);
            }
            FromPlugins::Loaded { plugin } => {
                if let Some(plugin) = self.0.lock().plugins.get_mut(&(plugin as usize)) {
                    plugin.ready = true;
                    plugin.refused = None;
                }
            }
            FromPlugins::Refused { plugin, sentence } => self.refused(plugin, &sentence),
            FromPlugins::Running { instance } => self.set(instance, InstanceState::Running, None),
            FromPlugins::Waits { instance } => self.instance(instance, |instance, _| {
                if let Some(post) = &mut instance.post {
                    instance.status.missed += u64::from(post.asked(&mut instance.missed_since));
                }
                Vec::new()
            }),
            FromPlugins::Marks { instance, frame_utc_ns, took_ns, lead, marks } => {
                self.instance(instance, |instance, _| {
                    instance.status.took_ns = Some(took_ns);
                    let Work::Watches(_, gate, sent) = &mut instance.work else { return Vec::new() };
                    let frame_utc = UtcNanos(i64::try_from(frame_utc_ns).unwrap_or(i64::MAX));
                    let mut events = gate.pass(marks, frame_utc, Instant::now());
                    let lead = sent.place(lead);
                    events.iter_mut().for_each(|event| event.lead = Some(lead.clone()));
                    instance.status.events += events.len() as u64;
                    instance.status.marks_refused = gate.refused();
                    if let Some(refusal) = gate.last_refusal() {
                        instance.status.last_error = Some(refusal.to_owned());
                    }
                    events.into_iter().map(Report::Event).collect()
                })
            }
            FromPlugins::Verdicts { instance, event, verdicts } => {
                self.instance(instance, |instance, _| instance.judged(event, verdicts));
            }
            FromPlugins::Unjudged { instance, event, sentence, trapped } => {
                self.instance(instance, |instance, plugin| instance.unjudged(event, sentence, trapped, plugin));
            }
            FromPlugins::Log { instance, level, text } => self.instance(instance, |instance, plugin| {
                vec![Report::Log { camera: instance.status.camera, plugin: plugin.to_owned(), level, text }]
            }),
            FromPlugins::Faulted { instance, sentence, set_aside: true } => {
                self.set(instance, InstanceState::Faulted, Some(sentence));
            }
            FromPlugins::Faulted { instance, sentence, set_aside: false } => self.instance(instance, |instance, _| {
                instance.status.last_error = Some(sentence);
                Vec::new()
            }),
            FromPlugins::Trapped { instance, sentence, again_ms } => {
                self.instance(instance, |instance, _| {
                    instance.status.traps += 1;
                    Vec::new()
                });
                let state = if again_ms.is_some() { InstanceState::Restarting } else { InstanceState::Quarantined };
                self.set(instance, state, Some(sentence));
            }
            FromPlugins::Counts { instance, counts } => self.instance(instance, |instance, _| {
                instance.status.counts = counts.after(instance.before);
                Vec::new()
            }),
        }
        self.0.changed.notify_all();
        Ok(())
    }

    fn ended(&self, sentence: &str, again: Duration) {
        tracing::warn!(sentence, again_secs = again.as_secs(), "the plugin host ended");
        {
            let mut state = self.0.lock();
            state.wall = None;
            state.instances.values_mut().for_each(Instance::forget_events);
        }
        self.0.changed.notify_all();
        let sentence = format!("{sentence}; again in {} s", again.as_secs());
        (self.0.on)(Report::Restarting { sentence });
    }
}
