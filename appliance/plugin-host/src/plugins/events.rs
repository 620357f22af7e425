//! Events to rules, verdicts back.

use super::{Instance, InstanceNumber, Plugins, Work};
use crate::manifest::RetentionEffect;
use crate::message::{EventNumber, ToPlugins};
use crate::rules::{RuleGate, Situation, Surroundings, Verdict, WAITING_MAX};
use crate::status::{InstanceState, Report};
use std::collections::VecDeque;
use std::os::fd::AsFd;
use watchbook_analysis::message::encode;
use watchbook_base::{CameraId, Event, EventSource, memfd};

/// A rule's side of an instance.
pub(super) struct Judging {
    gate: RuleGate,
    source: EventSource,
    last: EventNumber,
    /// Sent and not answered, oldest first; at most [`WAITING_MAX`].
    waiting: VecDeque<(EventNumber, Event)>,
}

impl Judging {
    pub(super) fn new(camera: CameraId, effect: RetentionEffect, source: EventSource) -> Self {
        Self { gate: RuleGate::new(camera, effect), source, last: 0, waiting: VecDeque::new() }
    }

    /// The event of an answer, once.
    fn answered(&mut self, event: EventNumber) -> Option<Event> {
        let index = self.waiting.iter().position(|(number, _)| *number == event)?;
        self.waiting.remove(index).map(|(_, event)| event)
    }
}

impl Plugins {
    /// Asks every rule of the event's camera about it. Never waits: an event that a rule has no room for is dropped for that rule and counted as missed. The
    /// answers come as [`Report::Verdicts`] and [`Report::Unjudged`]; a rule that proposes nothing is silent.
    pub fn event(&self, event: &Event, surroundings: &Surroundings) {
        let mut state = self.shared.lock();
        let judges =
            |instance: &Instance| instance.status.camera == event.camera && matches!(instance.work, Work::Judges(_));
        let numbers: Vec<InstanceNumber> =
            state.instances.iter().filter(|(_, instance)| judges(instance)).map(|(number, _)| *number).collect();
        if numbers.is_empty() {
            return;
        }
        let generation = self.child.generation();
        let sealed = encode(&Situation::new(event, surroundings)).ok();
        let sealed = sealed.and_then(|bytes| memfd::seal("situation", &bytes).ok());
        for number in numbers {
            let bound = generation != 0 && self.ensure_bound(&mut state, number, generation);
            let Some(instance) = state.instances.get_mut(&number) else { continue };
            let over = matches!(instance.status.state, InstanceState::Faulted | InstanceState::Quarantined);
            let bound_in = instance.bound_in;
            let Work::Judges(judging) = &mut instance.work else { continue };
            let asked = bound && !over && judging.waiting.len() < WAITING_MAX && {
                let message = ToPlugins::Evaluate { instance: number, event: judging.last + 1 };
                sealed.as_ref().is_some_and(|sealed| self.send(bound_in, &message, Some(sealed.as_fd())))
            };
            if asked {
                judging.last += 1;
                judging.waiting.push_back((judging.last, event.clone()));
            } else {
                instance.status.missed += 1;
            }
        }
    }
}

impl Instance {
    /// A rule's answer, checked.
    pub(super) fn judged(&mut self, event: EventNumber, verdicts: Vec<Verdict>) -> Vec<Report> {
        let Work::Judges(judging) = &mut self.work else { return Vec::new() };
        let Some(event) = judging.answered(event) else { return Vec::new() };
        let verdicts = judging.gate.pass(verdicts, event.start);
        self.status.events += verdicts.len() as u64;
        self.status.marks_refused = judging.gate.refused();
        if let Some(refusal) = judging.gate.last_refusal() {
            self.status.last_error = Some(refusal.to_owned());
        }
        if verdicts.is_empty() {
            return Vec::new();
        }
        vec![Report::Verdicts { event: Box::new(event), rule: judging.source.clone(), verdicts }]
    }

    /// A rule came to nothing at an event.
    pub(super) fn unjudged(
        &mut self,
        event: EventNumber,
        sentence: String,
        trapped: bool,
        plugin: &str,
    ) -> Vec<Report> {
        let Work::Judges(judging) = &mut self.work else { return Vec::new() };
        let Some(event) = judging.answered(event) else { return Vec::new() };
        self.status.traps += u64::from(trapped);
        // What set it aside stays to be read: events that were on their way then only say that it is.
        if !matches!(self.status.state, InstanceState::Faulted | InstanceState::Quarantined) {
            self.status.last_error = Some(sentence.clone());
        }
        vec![Report::Unjudged { event: Box::new(event), plugin: plugin.to_owned(), sentence }]
    }

    /// The child is gone, and with it what waited there.
    pub(super) fn forget_events(&mut self) {
        if let Work::Judges(judging) = &mut self.work {
            self.status.missed += judging.waiting.len() as u64;
            judging.waiting.clear();
        }
    }
}
