//! The threads of one disk: its committer, its indexer, care, and the footage log.

use crate::care::{Care, Stop};
use crate::error::{Error, Result};
use crate::footage_log::{Asked, FootageLog, Orders};
use crate::format::DiskId;
use crate::index::Indexer;
use crate::reader::Part;
use crate::store::Deps;
use crate::worker::{End, Worker};
use crate::writer::Shared;
use std::sync::Arc;
use std::time::{Duration, Instant};
use watchbook_base::Kind;

/// How long a ring that is closed waits for a commit that gets nowhere: a bad moment of a disk passes, and one that does not answer at all must not keep the
/// program from ending. A service manager waits 90 s.
const COMMIT_PATIENCE: Duration = Duration::from_secs(45);
/// How long it then waits for indexer and care. What the index lacks is made again from the log at the next start.
const REST_PATIENCE: Duration = Duration::from_secs(10);

/// What works on a disk.
pub(super) struct Threads {
    stop: Arc<Stop>,
    care: Worker,
    indexer: Option<Worker>,
    orders: Arc<Orders>,
    log: Option<Worker>,
    committer: Worker,
}

impl Threads {
    /// Starts what works on a disk. Nothing is left at work when one cannot be started; the committer comes last, because it owns the ring.
    pub(super) fn start(
        part: &Arc<Part>,
        of: (&Arc<Shared>, &Deps),
        indexer: Option<Indexer>,
        commit: impl FnOnce() + Send + 'static,
    ) -> Result<Self> {
        let (shared, deps) = of;
        let (care, stop) = (Care::new(shared.clone(), part.clone(), deps.clock.clone()), Arc::new(Stop::default()));
        let told = stop.clone();
        let care = Worker::start("care", move || care.run(&told))?;
        let orders = Arc::new(Orders::default());
        let started = (|| {
            let indexer = indexer.map(start_indexer).transpose()?;
            let log = deps.register.as_ref().map(|register| {
                let of = (part.ring.clone(), shared.clone(), register.clone());
                let (log, orders) = (FootageLog::new(of, deps.clock.clone()), orders.clone());
                Worker::start("footage log", move || log.run(&orders))
            });
            Ok((indexer, log.transpose()?, Worker::start("committer", commit)?))
        })();
        match started {
            Ok((indexer, log, committer)) => Ok(Self { stop, care, indexer, orders, log, committer }),
            Err(error) => {
                stop.stop();
                orders.give(Asked::End);
                part.index.close();
                Err(error)
            }
        }
    }

    pub(super) fn have_ended(&self) -> bool {
        let others = self.indexer.iter().chain(&self.log);
        self.care.has_ended() && self.committer.has_ended() && others.into_iter().all(Worker::has_ended)
    }

    /// Has care end. Nobody waits for it.
    pub(super) fn stop_care(&self) {
        self.stop.stop();
    }

    /// What takes requests for the footage log, if there is one.
    pub(super) fn log_orders(&self) -> Option<Arc<Orders>> {
        self.log.as_ref().map(|_| self.orders.clone())
    }

    /// Has the footage log end. Nobody waits for it.
    pub(super) fn end_log(&self, order: Asked) {
        self.orders.give(order);
    }

    /// Waits for the committer, which was asked to end, as long as it commits: nothing is taken any more, so what waits becomes less.
    ///
    /// # Errors
    /// `Timeout` when the disk does not answer, `Internal` when the committer had died.
    pub(super) fn wait_for_commits(&self, shared: &Shared) -> Result<()> {
        let disk = shared.disk;
        let mut seen = shared.pending().durable();
        loop {
            let end = self.committer.wait_for(COMMIT_PATIENCE);
            let durable = shared.pending().durable();
            let why = match end {
                Some(End::Done) => return Ok(()),
                Some(End::Panicked) => Error::new(Kind::Internal, "the committer thread had panicked"),
                None if durable != seen => {
                    seen = durable;
                    continue;
                }
                None => {
                    let secs = COMMIT_PATIENCE.as_secs();
                    let why =
                        format!("it has not answered for {secs} s, and what it had not taken is lost. Check the disk");
                    Error::new(Kind::Timeout, why)
                }
            };
            return Err(why.within(format!("closing the ring of disk {disk}")));
        }
    }

    /// Waits for indexer, care and footage log, which were asked to end. The next start does what they leave.
    pub(super) fn wait_for_the_rest(&self, disk: DiskId) {
        let deadline = Instant::now() + REST_PATIENCE;
        for worker in self.indexer.iter().chain(&self.log).chain([&self.care]) {
            let thread = worker.name();
            match worker.wait(deadline) {
                Some(End::Done) => {}
                Some(End::Panicked) => tracing::error!(%disk, thread, "a thread of the disk had panicked"),
                None => tracing::error!(%disk, thread, "a thread of the disk does not end; it is left behind"),
            }
        }
    }
}

/// Gives the indexer its thread. Recording does not need it: when it panics, the index is given up and the next start makes it again.
fn start_indexer(indexer: Indexer) -> Result<Worker> {
    let queue = indexer.queue();
    Worker::start("indexer", move || {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| indexer.run())).is_err() {
            queue.abandon("the thread that writes the index has panicked; restart the recorder");
        }
    })
}

/// Runs the committer. After a panic of it nothing would be recorded any more, while all else goes on: `give_up` ends the process, and the service manager
/// starts it again. Returns only for a `give_up` that does.
pub(super) fn guarded<R>(work: impl FnOnce(), give_up: &dyn Fn() -> R) {
    // Nothing that the panic left half done is looked at again.
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
        tracing::error!("the committer has panicked; the program ends, to be started again");
        give_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_panic_of_the_committer_ends_the_program() {
        let ended = Cell::new(0);
        let end = || ended.set(ended.get() + 1);
        guarded(|| {}, &end);
        assert_eq!(ended.get(), 0);
        guarded(|| panic!("on purpose"), &end);
        assert_eq!(ended.get(), 1);
    }
}
