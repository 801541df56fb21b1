"""More ways in which native code ends a process, and in which somebody else does."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole, Signature
from serve_app.jobs.diagnosis.models import Certainty

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="crash-by-glog",
        code="app.native-crash",
        contains=("*** Aborted at ", "] Check failed: "),
        pattern=r"\*\*\* Aborted at \d{9,11} \(unix time\)|\bF\d{4} \d\d:\d\d:[\d.]{2,20} .{0,60}\.(?:cc|cpp|h|cu):\d{1,6}\] Check failed: ",
        unless=r"discovered a bug in Ray",
        certainty=Certainty.LIKELY,
        matches=(
            '*** Aborted at 1650000000 (unix time) try "date -d @1650000000" if you are using GNU date ***',
            "F0000 00:00:1735.123456   88 xla_device.cc:231] Check failed: status.ok() out of range",
        ),
        near_misses=(
            "*** Aborted at 12:30 by the operator",
            "W0202 10:00:00.123456 77 tensor.cc:99] Check failed: dims",
        ),
    ),
    Signature(
        name="crash-by-shell",
        code="app.native-crash",
        contains=("Aborted ", "Bus error", "Illegal instruction", "Floating point exception", "Trace/breakpoint trap"),
        pattern=(
            r"\b(?:ba|da|z)?sh: line \d{1,6}: {1,8}\d{1,8} (?:Aborted|Bus error|Illegal instr|Floating point exc|Trace/breakpoint trap)|"
            r"(?:Aborted|Bus error|Illegal instruction|Floating point exception) {1,40}\(core dumped\)"
        ),
        matches=(
            "run.sh: line 3:  4711 Aborted                 (core dumped) python train.py",
            "Floating point exception (core dumped)",
            "bash: line 1:   88 Bus error               python serve.py",
        ),
        near_misses=("Aborted 3 of 9 uploads", "a Bus error is simulated"),
    ),
    Signature(
        name="crash-by-zsh",
        code="app.native-crash",
        contains=(" abort ", "zsh: abort", " bus error ", "zsh: bus error", "zsh: illegal hardware instruction"),
        pattern=r"^\[\d{1,4}\] {1,4}[-+]? {0,4}\d{1,8} (?:abort|bus error|illegal hardware instruction) |zsh: (?:abort|bus error|illegal hardware instruction)\b",
        matches=("[1]    77 abort (core dumped)  python train.py", "zsh: bus error  python3 -m vision.train"),
        near_misses=("type abort to end it", "[1] 7 abort handlers were set"),
    ),
    Signature(
        name="crash-of-a-child",
        code="app.native-crash",
        contains=(
            "terminated with signal SIG",
            "(SIGSEGV) received by PID",
            "(SIGABRT) received by PID",
            "exitcode: -6",
            "exitcode: -7",
            "return code = -6",
            "return code = -7",
            "return code = -11",
        ),
        pattern=r"terminated with signal SIG(?:SEGV|ABRT|BUS|ILL|FPE)|\(SIG(?:SEGV|ABRT|BUS|ILL|FPE)\) received by PID|exitcode: -[67]\b|return code = -(?:6|7|11)\b",
        certainty=Certainty.LIKELY,
        matches=(
            "['python', 'train.py'] exits with return code = -11",
            "torch.multiprocessing.spawn.ProcessExitedException: process 1 terminated with signal SIGABRT",
            "  traceback : Signal 11 (SIGSEGV) received by PID 55",
            "E0101 failed (exitcode: -6) local_rank: 0 (pid: 55) of binary: /opt/venv/bin/python",
        ),
        near_misses=(
            "ProcessExitedException: process 1 terminated with signal SIGTERM",
            "E0101 failed (exitcode: -15) local_rank: 0",
        ),
    ),
    Signature(
        name="crash-of-a-runtime",
        code="app.native-crash",
        contains=(
            "terminating due to uncaught exception of type",
            "terminating with uncaught exception of type",
            "A fatal error has been detected by the Java Runtime Environment",
            "LLVM ERROR: ",
            "fatal runtime error: ",
            "(interrupted by signal ",
            "-1073741819",
            "Segfault encountered",
        ),
        unless=r"interrupted by signal (?:2|9|15): |if Segfault encountered",
        certainty=Certainty.LIKELY,
        matches=(
            "libc++abi: terminating due to uncaught exception of type std::runtime_error: bad state",
            "# A fatal error has been detected by the Java Runtime Environment:",
            "Process finished with exit code 139 (interrupted by signal 11: SIGSEGV)",
            "Process finished with exit code -1073741819 (0xC0000005)",
            "LLVM ERROR: Cannot select: intrinsic %llvm.nvvm.ldg",
        ),
        near_misses=(
            "A fatal error has been reported by the Java service",
            "Process finished with exit code 137 (interrupted by signal 9: SIGKILL)",
        ),
    ),
    Signature(
        name="stopped-by-batch-system",
        code="app.stopped",
        contains=("slurmstepd: error: ", "srun: Force Terminated", "scancel: Terminating job"),
        pattern=r"slurmstepd: error: .{0,120}(?:CANCELLED AT|TIME LIMIT|PREEMPTION)|Force Terminated|Terminating job",
        certainty=Certainty.LIKELY,
        matches=(
            "slurmstepd: error: *** JOB 77 ON n1 CANCELLED AT 2025-01-01T00:00:00 DUE TO TIME LIMIT ***",
            "srun: Force Terminated StepId=77.0",
        ),
        near_misses=("slurmstepd: error: Detected 1 oom_kill event in StepId=77.0.",),
        advice=("Ask the batch system for more time, or save checkpoints and continue in the next allocation.",),
    ),
    Signature(
        name="stopped-torch-launcher",
        code="app.stopped",
        contains=(
            "got signal: 15",
            "got signal: 2",
            "Received Signals.SIG",
            "Received 15 death signal",
            "Received 2 death signal",
        ),
        pattern=r"got signal: (?:15|2)\b|Received Signals\.SIG(?:TERM|INT|HUP) death|Received (?:15|2) death signal",
        role=ClueRole.SYMPTOM,
        certainty=Certainty.LIKELY,
        matches=(
            "torch.distributed.elastic.multiprocessing.api.SignalException: Process 55 got signal: 15",
            "W0101 Received Signals.SIGTERM death signal, shutting down workers",
        ),
        near_misses=("the traffic light got signal: 20",),
    ),
    Signature(
        name="child-pool-broken",
        code="memory.process-killed",
        contains=(
            "A process in the process pool was terminated abruptly",
            "A worker process managed by the executor was unexpectedly terminated",
            "DataLoader worker (pid(s) ",
        ),
        role=ClueRole.SYMPTOM,
        certainty=Certainty.POSSIBLE,
        matches=(
            "concurrent.futures.process.BrokenProcessPool: A process in the process pool was terminated "
            "abruptly while the",
            "RuntimeError: DataLoader worker (pid(s) 88, 89) exited unexpectedly",
        ),
        near_misses=("A process in the process pool was started",),
    ),
)
