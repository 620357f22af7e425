//! The wall around the recorder itself: less than that of a child, because it records, serves and asks cameras; all of it for good.
//!
//! [`bind`] comes before there is a second thread, [`only_service_calls`] when the first ones are there or before.

use crate::calls::{Rules, any, install, int, long, rule, with_first};
use crate::{Wall, at_most, no_rights};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    Scope, path_beneath_rules,
};
use rustix::process::{Resource, Signal};
use seccompiler::{SeccompCmpOp, SeccompRule};
use std::io::{Error, Result};
use std::path::PathBuf;

/// What the recorder reaches; nothing else has a name for it. What does not exist is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Files and directories that it reads.
    pub read: Vec<PathBuf>,
    /// Directories whose names it reads, as it must to make a new name in them durable.
    pub list: Vec<PathBuf>,
    /// Files and directories that it reads and changes.
    pub write: Vec<PathBuf>,
    /// Directories of devices that it speaks to.
    pub devices: Vec<PathBuf>,
    /// The port of the page: listened on by TCP, as are ports that the kernel chooses (cameras are relayed through one on the loopback), and no other.
    pub tcp_port: u16,
}

/// First half: no file but those it needs and no program at all, no TCP port but that of the page and those that nobody chose, no signal to a process that is not its own, no abstract socket of others (landlock);
/// no capability, no new rights, no core file; death with whoever started it.
///
/// # Errors
/// The operating system's, when it refuses what every supported kernel can do.
pub fn bind(reach: &Reach) -> Result<Wall> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    at_most(Resource::Core, 0)?;
    no_rights()?;
    let abi = ABI::V6;
    let reading: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let changing = reading
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer;
    let speaking = reading | AccessFs::WriteFile | AccessFs::IoctlDev;
    let restricted = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))
        .and_then(|rules| rules.handle_access(AccessNet::BindTcp))
        .and_then(|rules| rules.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rules(path_beneath_rules(&reach.read, reading)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(&reach.list, AccessFs::ReadDir)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(&reach.write, changing)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(&reach.devices, speaking)))
        .and_then(|rules| rules.add_rule(NetPort::new(reach.tcp_port, AccessNet::BindTcp)))
        .and_then(|rules| rules.add_rule(NetPort::new(0, AccessNet::BindTcp)))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(|error| Error::other(format!("shutting out the files that the recorder does not need: {error}")))?;
    Ok(Wall { missing: crate::lacks(restricted.ruleset).into_iter().collect() })
}

/// The starter's: no program is started but these and the loader that programs name, no new rights, no capability. What it starts keeps that.
///
/// # Errors
/// The operating system's, when it refuses what every supported kernel can do.
pub fn bind_starter(programs: &[PathBuf]) -> Result<Wall> {
    at_most(Resource::Core, 0)?;
    no_rights()?;
    // A rule set that says nothing of moving files between directories forbids it.
    let restricted = Ruleset::default()
        .handle_access(AccessFs::Execute | AccessFs::Refer)
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rules(path_beneath_rules(["/"], AccessFs::Refer)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(programs, AccessFs::Execute)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(LOADERS, AccessFs::Execute)))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(|error| Error::other(format!("shutting out all other programs: {error}")))?;
    let none = matches!(restricted.ruleset, RulesetStatus::NotEnforced);
    Ok(Wall { missing: none.then(|| crate::NO_LANDLOCK.to_owned()).into_iter().collect() })
}

/// The dynamic loaders of the GNU C library (ABI supplements of the processors).
const LOADERS: [&str; 2] = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];

/// What no line of the recorder asks for.
const DEADLY: [i64; 34] = [
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_perf_event_open,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_open_by_handle_at,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_settimeofday,
];

/// Whatever their arguments: what `systemd` counts as a service's (`@system-service`), without programs, users, keys, queues and memory between processes.
const ANY: [i64; 135] = [
    // Files.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_lseek,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_ioctl,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_utimensat,
    libc::SYS_umask,
    libc::SYS_getcwd,
    libc::SYS_truncate,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_readahead,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_syncfs,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
    libc::SYS_memfd_create,
    libc::SYS_name_to_handle_at,
    // What comes and goes.
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_socketpair,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_shutdown,
    libc::SYS_pipe2,
    libc::SYS_eventfd2,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_signalfd4,
    // Its memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_msync,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_munlock,
    libc::SYS_membarrier,
    libc::SYS_get_mempolicy,
    // Its threads. `clone3` is answered below.
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_setscheduler,
    libc::SYS_getpriority,
    libc::SYS_setpriority,
    libc::SYS_ioprio_set,
    libc::SYS_getcpu,
    // Signals.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_kill,
    // Who it is, how much it has used, what the machine is.
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrusage,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    // Time and chance.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
    // Whether the clock is right; the C library asks by the second name. Without a capability neither sets it.
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
];

/// The same under the names that older processors have beside the newer ones.
#[cfg(target_arch = "x86_64")]
const OLD: [i64; 23] = [
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_chmod,
    libc::SYS_dup2,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_pipe,
    libc::SYS_epoll_wait,
    libc::SYS_getdents,
    libc::SYS_time,
    libc::SYS_gettimeofday,
    libc::SYS_arch_prctl,
    libc::SYS_getrlimit,
    libc::SYS_utimes,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: [i64; 0] = [];

/// Second half: every thread makes only the calls of a service that starts no program. Any other gives `EPERM`; those that only an intruder makes end the process with `SIGSYS`. A kernel
/// without such filters is noted in `wall`.
///
/// # Errors
/// A filter cannot be made for this processor.
pub fn only_service_calls(wall: &mut Wall) -> Result<()> {
    let mut known = any(&ANY);
    known.extend(any(&OLD));
    known.extend(conditions()?);
    install(&DEADLY, known, wall)
}

fn conditions() -> Result<Rules> {
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    let executable = u64::from(libc::PROT_EXEC.unsigned_abs());
    let writable = u64::from(libc::PROT_WRITE.unsigned_abs());
    let pid = i32::try_from(std::process::id()).map_err(Error::other)?;
    Ok(Rules::from([
        // Code comes from files, as when the C library loads a resolver; no mapping is both written and run.
        (
            libc::SYS_mmap,
            vec![
                rule(vec![long(2, SeccompCmpOp::MaskedEq(executable), 0)])?,
                rule(vec![long(2, SeccompCmpOp::MaskedEq(writable), 0)])?,
            ],
        ),
        (libc::SYS_mprotect, vec![rule(vec![long(2, SeccompCmpOp::MaskedEq(executable), 0)])?]),
        (libc::SYS_clone, vec![rule(vec![long(0, SeccompCmpOp::MaskedEq(thread), thread)])?]),
        (libc::SYS_socket, sockets()?),
        // To itself: how an abort comes.
        (libc::SYS_tgkill, vec![with_first(pid)?]),
        (libc::SYS_prctl, PRCTL.into_iter().map(with_first).collect::<Result<_>>()?),
        // Limits of its own, and none of others.
        (libc::SYS_prlimit64, vec![with_first(0)?, with_first(pid)?]),
    ]))
}

/// Sockets within the machine, of the kernel's news, and of TCP and UDP. Other protocols of the internet, such as MPTCP, are none that the first half knows.
fn sockets() -> Result<Vec<SeccompRule>> {
    let mut allowed = vec![with_first(libc::AF_UNIX)?, with_first(libc::AF_NETLINK)?];
    for family in [libc::AF_INET, libc::AF_INET6] {
        for protocol in [0, libc::IPPROTO_TCP, libc::IPPROTO_UDP] {
            allowed.push(rule(vec![int(0, SeccompCmpOp::Eq, family), int(2, SeccompCmpOp::Eq, protocol)])?);
        }
    }
    Ok(allowed)
}

/// What prctl(2) may be asked for: names of threads, what the process is, and (`PR_SET_VMA`) names of memory.
const PRCTL: [i32; 7] = [
    libc::PR_SET_NAME,
    libc::PR_GET_NAME,
    libc::PR_GET_DUMPABLE,
    libc::PR_SET_DUMPABLE,
    libc::PR_CAPBSET_READ,
    crate::calls::PR_GET_AUXV,
    0x5356_4d41,
];
