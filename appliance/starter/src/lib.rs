//! The process that starts programs for the recorder.
//!
//! The recorder reads what cameras, browsers and uploads bring, so it may start no program: whoever takes it over finds no way to run another. `watchbook run` is a process that
//! reads nothing of all that. It starts the recorder, and the recorder's child programs for it, out of a list of three names.
//!
//! Child programs have the recorder's user, unless something of the system that may give out users holds them: the recorder's starter asks at a socket, and each connection is a
//! process under a user of its own, [`hold`], which starts one program and ends with it (`appliance/systemd/watchbook-child@.service`).
//!
//! * **Enters:** [`run`]: a recorder's program and the child programs that there are; over the link, orders of the recorder. [`spawn`]: a child program's name and its link.
//! * **Leaves:** the recorder's exit code; child programs, and how they ended.
//! * **Promises:** the recorder's end is the end of everything that was started for it, and the other way round. A recorder that wants to begin again ([`BEGIN_AGAIN`]) is
//!   started anew under the same process number of the whole.
//! * **Never:** starts what is not on its list, reads a file or a packet, waits for a recorder that does not listen.
//! * **Proof:** `tests/starter.rs`, `tests/e2e/tests/e2e/wall.rs`.

mod children;
mod client;
mod server;

pub use client::{Process, behind, spawn};
pub use server::{Plan, hold, run};

use serde::{Deserialize, Serialize};

/// Exit code of a recorder that asks to be started again.
pub const BEGIN_AGAIN: u8 = 100;
/// Child programs that run at a time for one recorder. An honest one has a decoder, a plugin host and a compiler, an encoder for each camera without one of its own, and the few places of
/// exports and transcoding.
pub const CHILDREN_MAX: usize = 256;
/// Arguments of a child program.
pub const ARGUMENTS_MAX: usize = 8;
/// Bytes of the name of a child program, and of an argument.
pub const WORD_BYTES_MAX: usize = 256;

/// From the recorder.
#[derive(Debug, Serialize, Deserialize)]
enum Order {
    /// Start a program with the descriptor beside this message as its standard input.
    Start {
        /// What the recorder calls it from now on; not in use.
        number: u32,
        /// Name of the file.
        program: String,
        /// Arguments.
        arguments: Vec<String>,
    },
    /// End one, if it runs.
    End {
        /// Which.
        number: u32,
    },
}

/// To the recorder.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    /// It runs.
    Started {
        /// What the recorder calls it.
        number: u32,
        /// Its process number.
        process: u32,
    },
    /// It was not started.
    Refused {
        /// What the recorder would have called it.
        number: u32,
        /// The operating system's number of the error, if there is one.
        errno: Option<i32>,
        /// Why.
        sentence: String,
    },
    /// It is gone and waited for.
    Ended {
        /// What the recorder calls it.
        number: u32,
        /// As wait(2) gives it.
        status: i32,
    },
}
