"""The limits of a submission's process: memory, time, files in its own folder alone, no network, no other processes.

Three layers. The system's resource limits hold on every Unix. An audit hook of Python refuses what is not allowed with
a sentence that says so; native code can go around it. On Linux the kernel holds the same: Landlock the files, a filter
of system calls the rest, and all capabilities are given up.
"""

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

if sys.platform != "win32":
    import resource


class Limits(NamedTuple):
    """The limits of one submission."""

    seconds: float = 30.0
    """The most time for one cell."""
    megabytes: int = 2048
    """The most memory."""
    kernel: bool = True
    """Whether the kernel of Linux holds the files, the network and the processes too."""

    @property
    def total(self) -> float:
        """The most time for all cells together."""
        return 10 * self.seconds


FILE_BYTES = 64 * 2**20
"""The most bytes of one file."""
REFUSED = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty",
                     "os.kill", "os.killpg", "pty.spawn", "socket.__new__", "socket.connect", "socket.bind",
                     "socket.getaddrinfo", "socket.gethostbyname", "os.chmod", "os.chown", "os.utime", "os.setxattr",
                     "os.removexattr", "signal.pthread_kill"})  # fmt: skip
WRITES = frozenset({"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"})
READS = frozenset({"os.listdir", "os.scandir"})
SYSTEM = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/usr/share/fonts", "/usr/share/zoneinfo",
          "/etc/ld.so.cache", "/etc/fonts", "/etc/localtime", "/sys/devices/system/cpu", "/proc/self", "/proc/cpuinfo",
          "/proc/meminfo", "/proc/stat", "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")  # fmt: skip
"""The paths that Python and its libraries read on a Unix."""
CALLS = ("fork", "vfork", "clone3", "execve", "execveat", "socket", "socketpair", "kill", "tkill", "tgkill",
         "pidfd_open", "pidfd_send_signal", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "ptrace", "process_vm_readv",
         "process_vm_writev", "io_uring_setup", "unshare", "setns", "bpf", "perf_event_open", "userfaultfd", "keyctl",
         "add_key", "request_key", "mq_open", "msgget", "semget", "shmget", "memfd_create", "memfd_secret",
         "truncate", "chmod", "fchmod", "fchmodat",
         "chown", "fchown", "lchown", "fchownat", "utime", "utimes", "futimesat", "utimensat", "setxattr", "lsetxattr",
         "fsetxattr", "removexattr", "lremovexattr", "fremovexattr", "setpriority", "ioprio_set", "sched_setaffinity",
         "sched_setscheduler", "sched_setattr", "sched_setparam", "setsid", "setpgid")  # fmt: skip
"""System calls that reach outside the process and its folder."""


def readable() -> list[str]:
    """The folders that a submission may read: those of Python, its libraries and this package."""
    package = Path(__file__).parents[1]
    folders = [sys.prefix, sys.base_prefix, sys.exec_prefix, str(package), str(package.with_name("nn"))]
    folders += [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    return [os.path.realpath(path) for path in (*folders, *SYSTEM) if os.path.exists(path)]


def missing() -> str:
    """The reason why this machine cannot hold a submission by its kernel, and the remedy; empty if it can."""
    if sys.platform != "linux":
        return "only the kernel of Linux can keep a submission from files, network and processes"
    if _landlock_version() < 1:
        return (
            "this kernel has no Landlock, which keeps files (Linux 5.13 and later have it, unless it is switched off)"
        )
    try:
        _seccomp()
    except (ImportError, OSError, RuntimeError) as error:
        return f"pip install 'scalar-autograd[grade]' and the system's libseccomp are needed ({error})"
    return ""


def confine(folder: str, read: Sequence[str], limits: Limits) -> None:
    """Limits this process, for good. Raises OSError if the system refuses."""
    limit_memory(limits.megabytes * 2**20)
    for kind, most in (
        (resource.RLIMIT_CPU, int(limits.total) + 10),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 256),
    ):
        _limit(kind, most)
    if limits.kernel:
        calls = _call_filter()
        _give_up_privileges()
        _keep_files(folder, read)
        calls.load()
    sys.addaudithook(_Hook((folder,), (folder, *read)))


def limit_memory(most: int) -> None:
    """Limits the bytes of memory of this process, for good."""
    _limit(resource.RLIMIT_AS, most)


def _limit(kind: int, most: int) -> None:
    hard = resource.getrlimit(kind)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


class _Hook:
    """Refuses what a submission may not do, with a sentence."""

    def __init__(self, written: Sequence[str], read: Sequence[str]) -> None:
        self.written, self.read = (*written, "/dev/null"), (*read, "/dev/null")

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Called by Python. Raises PermissionError for what is not allowed."""
        if event == "open":
            path, _, flags = arguments
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            self._check(path, self.written if writes else self.read, "write" if writes else "read")
        elif event in REFUSED:
            raise PermissionError(f"a submission may not do this: {event}")
        elif event in WRITES:
            for path in arguments[: 2 if event in ("os.rename", "os.link") else 1]:
                self._check(path, self.written, "write")
        elif event in READS:
            self._check(arguments[0], self.read, "read")

    def _check(self, path: Any, folders: Sequence[str], word: str) -> None:
        """Raises PermissionError for a path in none of the folders."""
        if path is None or isinstance(path, int):
            return
        real = os.path.realpath(os.fsdecode(path))
        if not any(real == folder or real.startswith(folder.rstrip("/") + "/") for folder in folders):
            raise PermissionError(f"a submission may {word} only in its own folder, not {os.fsdecode(path)!r}")


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


CREATE, ADD, RESTRICT = 444, 445, 446
"""The three calls of Landlock, on all machines: https://docs.kernel.org/userspace-api/landlock.html."""
RIGHTS = (0, 13, 14, 15, 15, 16)
"""The number of rights over files that each version knows."""
READING, OF_FILES = 0b1101, 0b1100_0000_0000_0111
"""Execute, read a file, read a folder; and the rights that a single file can have."""


def _call(number: int, *arguments: Any) -> int:
    """The result of a system call. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _landlock_version() -> int:
    try:
        return _call(CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    except OSError:
        return 0


def _give_up_privileges() -> None:
    """No capabilities, and none by what is executed. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, none = _Header(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if libc.prctl(38, 1, 0, 0, 0) or libc.capset(ctypes.byref(header), none):  # 38: no new privileges
        raise OSError(ctypes.get_errno(), "the system does not give up privileges")


def _keep_files(folder: str, read: Sequence[str]) -> None:
    """Nothing can be read but these, nothing be written but the folder. Raises OSError."""
    version = _landlock_version()
    rights = (1 << RIGHTS[min(version, len(RIGHTS) - 1)]) - 1
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = _Ruleset(rights, 0b11 if version >= 4 else 0, 0b11 if version >= 6 else 0)
    ruleset = _call(CREATE, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0))
    for path, allowed in ((folder, rights), *((path, READING) for path in read), ("/dev/null", 0b110)):
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        allowed &= rights if os.path.isdir(path) else OF_FILES
        _call(ADD, ruleset, 1, ctypes.byref(_Beneath(allowed, opened)), ctypes.c_uint32(0))
        os.close(opened)
    _call(RESTRICT, ruleset, ctypes.c_uint32(0))
    os.close(ruleset)


def _seccomp() -> Any:
    """The library for filters of system calls. Raises ImportError without it, RuntimeError without libseccomp."""
    import pyseccomp  # an extra, which only grading needs

    return pyseccomp


def _call_filter() -> Any:
    """The filter of system calls: no processes, sockets, signals, or changes of what belongs to others; but threads."""
    seccomp = _seccomp()
    rules = seccomp.SyscallFilter(seccomp.ALLOW)
    for name in CALLS:
        try:
            number = seccomp.resolve_syscall(seccomp.system_arch(), name)
        except (ValueError, OSError):
            continue  # this machine does not have it
        if number >= 0:
            refusal = seccomp.ERRNO(38 if name == "clone3" else 1)  # as if it did not exist: threads come by clone
            rules.add_rule(refusal, name)
    for number in range(447, 600):  # calls that are newer than this list: as if they did not exist
        rules.add_rule(seccomp.ERRNO(38), number)
    rules.add_rule(seccomp.ERRNO(38), "openat2")
    for command in (8, 10, 15):  # to whom signals of a file go, and which
        rules.add_rule(seccomp.ERRNO(1), "fcntl", seccomp.Arg(1, seccomp.EQ, command))
    empties = os.O_TRUNC | os.O_WRONLY | os.O_RDWR  # to empty a file that is opened to be read
    for name, place in (("open", 1), ("openat", 2)):
        rules.add_rule(seccomp.ERRNO(1), name, seccomp.Arg(place, seccomp.MASKED_EQ, empties, os.O_TRUNC))
    thread = 0x10000
    rules.add_rule(seccomp.ERRNO(1), "clone", seccomp.Arg(0, seccomp.MASKED_EQ, thread, 0))
    rules.add_rule(seccomp.ERRNO(1), "prlimit64", seccomp.Arg(0, seccomp.NE, 0))
    return rules
