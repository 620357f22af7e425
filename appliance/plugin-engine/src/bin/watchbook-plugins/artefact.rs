//! From machine code to a plugin that can be instantiated: the one place where this program believes bytes.
#![allow(unsafe_code, reason = "nobody can check machine code; where it comes from is what makes it safe to run")]

use crate::loaded::Loaded;
use std::os::fd::{AsFd, OwnedFd};
use wasmtime::component::Component;
use watchbook_base::memfd;
use watchbook_plugin_engine::{Failure, Machine, Prepared};
use watchbook_plugin_host::compile::ARTEFACT_BYTES_MAX;

/// Takes an artefact that came over the recorder's link.
pub(crate) fn prepare(machine: &Machine, artefact: &OwnedFd, loaded: &Loaded) -> Result<Prepared, Failure> {
    let bytes =
        memfd::read(artefact.as_fd(), ARTEFACT_BYTES_MAX).map_err(|error| Failure::Refused(error.to_string()))?;
    machine.prepare_with(
        |engine| {
            // SAFETY: `deserialize` wants bytes that `precompile_component` made. The memory file is sealed, so nobody changes it after it was read, and only
            // the recorder can send on this link. The recorder sends what its own compile child (`compile.rs`) answered a moment ago, or what it kept of
            // that under an HMAC whose key no plugin can read, and which it checked before sealing the file. That the code is of another engine, wasmtime
            // sees itself and refuses. A compiler that a component has taken over could answer with any code: it runs in this process, which holds
            // nothing but plugins, as it would have if it had been compiled here.
            unsafe { Component::deserialize(engine, &bytes) }
        },
        loaded.world,
        &loaded.capabilities,
        loaded.limits,
    )
}
