//! Which system calls a child makes. Found with `strace` over the tests of the children: at the start, with threads that come and go, at traps, at the end.

use crate::{Needs, Wall};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter_all_threads,
};
use std::collections::BTreeMap;
use std::io::{Error, Result};

pub(crate) type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Whatever their arguments.
const ANY: [i64; 39] = [
    // What it has open: the link, sealed memory files, standard error.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_close,
    libc::SYS_memfd_create,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_shutdown,
    // Its memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_membarrier,
    // Its threads. `clone3` is answered below.
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    // Signals: how traps of plugins come.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Time and chance.
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
];

/// prctl(2); libc has no name for it yet.
pub(crate) const PR_GET_AUXV: i32 = 0x4155_5856;

/// What no honest line of a child asks for, not even to see whether it may.
const DEADLY: [i64; 30] = [
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_kill,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_setuid,
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_perf_event_open,
    libc::SYS_keyctl,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_open_by_handle_at,
    libc::SYS_reboot,
];

/// Second half: from here on every thread makes only the calls of a list. Any other gives `EPERM`, because libraries look at files to tune themselves and go on
/// without; those that only an intruder makes end the process with `SIGSYS`, which the recorder sees. A kernel without such filters is noted in `wall`.
///
/// # Errors
/// A filter cannot be made for this processor.
pub fn only_known_calls(needs: Needs, wall: &mut Wall) -> Result<()> {
    let mut known = any(&ANY);
    known.extend(conditions(needs)?);
    install(&DEADLY, known, wall)
}

/// These calls, whatever their arguments.
pub(crate) fn any(calls: &[i64]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

/// Puts filters around every thread: `deadly` calls end the process, `known` ones are made, all others give `EPERM`. What this kernel cannot do is noted.
pub(crate) fn install(deadly: &[i64], known: Rules, wall: &mut Wall) -> Result<()> {
    let errno = |errno: i32| SeccompAction::Errno(errno.unsigned_abs());
    // Of several answers the kernel takes the strictest. The list comes last, because it does not allow to add filters.
    let filters = [
        program(any(deadly), SeccompAction::Allow, SeccompAction::KillProcess)?,
        // Its flags lie in memory, where a filter cannot look; without it the C library takes `clone`, whose flags are seen.
        program(any(&[libc::SYS_clone3]), SeccompAction::Allow, errno(libc::ENOSYS))?,
        program(known, errno(libc::EPERM), SeccompAction::Allow)?,
    ];
    for filter in &filters {
        if let Err(error) = apply_filter_all_threads(filter) {
            wall.missing.push(format!("this kernel does not filter system calls: {error}"));
            break;
        }
    }
    Ok(())
}

fn program(rules: Rules, otherwise: SeccompAction, matching: SeccompAction) -> Result<BpfProgram> {
    let arch = TargetArch::try_from(std::env::consts::ARCH);
    let filter = arch.and_then(|arch| SeccompFilter::new(rules, otherwise, matching, arch));
    filter.and_then(BpfProgram::try_from).map_err(|error| Error::other(format!("making a filter of calls: {error}")))
}

/// Calls that are allowed with some arguments.
fn conditions(needs: Needs) -> Result<Rules> {
    let executable = u64::from(libc::PROT_EXEC.unsigned_abs());
    let no_code = || rule(vec![long(2, SeccompCmpOp::MaskedEq(executable), 0)]);
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    let pid = i32::try_from(std::process::id()).map_err(Error::other)?;
    let of_descriptor =
        [libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_ADD_SEALS, libc::F_GET_SEALS];
    let of_descriptor = of_descriptor.map(|command| rule(vec![int(1, SeccompCmpOp::Eq, command)]));
    Ok(Rules::from([
        (libc::SYS_mmap, vec![no_code()?]),
        (libc::SYS_mprotect, if needs.machine_code { Vec::new() } else { vec![no_code()?] }),
        (libc::SYS_clone, vec![rule(vec![long(0, SeccompCmpOp::MaskedEq(thread), thread)])?]),
        // To itself: how an abort comes.
        (libc::SYS_tgkill, vec![with_first(pid)?]),
        (libc::SYS_fcntl, of_descriptor.into_iter().collect::<Result<_>>()?),
        // The name of a thread; what the kernel told the process at its start.
        (libc::SYS_prctl, vec![with_first(libc::PR_SET_NAME)?, with_first(PR_GET_AUXV)?]),
        // Asking for one's own limits, not setting them.
        (libc::SYS_prlimit64, vec![rule(vec![int(0, SeccompCmpOp::Eq, 0), long(2, SeccompCmpOp::Eq, 0)])?]),
    ]))
}

pub(crate) type Condition = std::result::Result<SeccompCondition, seccompiler::BackendError>;

/// About an argument that the kernel takes as 32 bits.
pub(crate) fn int(argument: u8, compared: SeccompCmpOp, value: i32) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, compared, u64::from(value.unsigned_abs()))
}

/// About an argument of 64 bits.
pub(crate) fn long(argument: u8, compared: SeccompCmpOp, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, compared, value)
}

/// All of the conditions.
pub(crate) fn rule(conditions: Vec<Condition>) -> Result<SeccompRule> {
    let conditions: std::result::Result<Vec<_>, _> = conditions.into_iter().collect();
    conditions.and_then(SeccompRule::new).map_err(|error| Error::other(format!("making a rule for calls: {error}")))
}

/// The first argument is this.
pub(crate) fn with_first(value: i32) -> Result<SeccompRule> {
    rule(vec![int(0, SeccompCmpOp::Eq, value)])
}
