"""More ways in which shells and launchers cannot start a command, or cannot find its files."""

from __future__ import annotations

from serve_app.jobs.diagnosis.catalogue.catalogue import ClueRole, Signature
from serve_app.jobs.diagnosis.models import Certainty

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="command-in-one-word",
        code="app.entrypoint-not-found",
        contains=(": not found", ": command not found"),
        pattern=r"\b(?:sh: \d{1,5}|bash: line \d{1,5}): [\w./~-]{1,200} [^:]{1,300}: (?:command )?not found$",
        unless=r"rror|warning",
        certainty=Certainty.LIKELY,
        from_ray=False,
        sentence="A whole command was given as one word, so that the shell looked for a program of that name.",
        advice=("Drop the outer quotes: `ray job submit -- python a.py --rows 3`, each word by itself.",),
        matches=(
            "/bin/sh: 1: echo hello world: not found",
            "/bin/sh: 1: /opt/venv/bin/python -c 'print(1)': not found",
            "bash: line 1: python train.py --rows 3: command not found",
        ),
        near_misses=("/bin/sh: 1: trainer: not found",),
    ),
    Signature(
        name="python-directory-without-main",
        code="app.entrypoint-not-found",
        contains=("can't find '__main__' module in",),
        matches=(
            "/usr/bin/python3: can't find '__main__' module in '/srv/jobs'",
            "python: can't find '__main__' module in '/app'",
        ),
        near_misses=("pytest can't find '__main__' in the tests",),
    ),
    Signature(
        name="shell-unknown-command",
        code="app.entrypoint-not-found",
        contains=(
            "command not found: ",
            "is not recognized as an internal or external command",
            "is not recognized as the name of",
        ),
        pattern=r"\bzsh:\d{0,6}:? ?command not found: |is not recognized as (?:an internal|the name of a cmdlet)",
        certainty=Certainty.LIKELY,
        matches=(
            "zsh: command not found: poetry",
            "'run_all' is not recognized as an internal or external command,",
            "run_all : The term 'run_all' is not recognized as the name of a cmdlet, function, script file, or "
            "operable",
        ),
        near_misses=("chat: command not found: /weather",),
    ),
    Signature(
        name="shell-cannot-start",
        code="app.entrypoint-not-found",
        contains=(
            "sh: 0: ",
            "can't cd to ",
            "bin/env: ",
            "env: '",
            "env: ‘",
            "Exec format error",
            ": bad interpreter: ",
        ),
        pattern=(
            r"\bsh: 0: (?:Can't|cannot) open |\bsh: .{0,40}can't cd to |(?:^|/| )env: .{1,80}: No such file or directory|"
            r"Exec format error|: bad interpreter: "
        ),
        certainty=Certainty.LIKELY,
        matches=(
            "sh: 0: Can't open start.sh",
            "/usr/bin/env: 'python': No such file or directory",
            "/bin/sh: 1: cd: can't cd to /data/project",
            "OSError: [Errno 8] Exec format error: './solver'",
        ),
        near_misses=("INFO env: CartPole, 3 episodes", "the wizard can't cd to the album"),
    ),
    Signature(
        name="launcher-cannot-run",
        code="app.entrypoint-not-found",
        contains=(
            "failed to run command",
            "error: Failed to spawn: ",
            "executable file not found in $PATH",
            "setsid: failed to execute ",
            "make: *** No rule to make target",
            "make: *** No targets specified and no makefile found",
        ),
        pattern=r"(?:nohup|timeout|stdbuf|env|nice): failed to run command|Failed to spawn|in \$PATH|setsid: |make: ",
        certainty=Certainty.LIKELY,
        matches=(
            "nohup: failed to run command 'accelerate': No such file or directory",
            "error: Failed to spawn: `trainer`",
            'exec: "serve-model": executable file not found in $PATH: unknown',
            "make: *** No rule to make target 'train'.  Stop.",
        ),
        near_misses=("The hook failed to run commands on 2 of 5 hosts",),
    ),
    Signature(
        name="shell-file-missing",
        code="app.data-access",
        contains=("cannot stat '", "cannot access '", "No such file or directory", "cannot create directory"),
        pattern=(
            r"\b(?:cp|mv|rsync|ls|du|chmod|cat|tar|source|head|tail|unzip|mkdir|find|ln): .{0,240}"
            r"(?:No such file or directory|Permission denied|Read-only file system)"
        ),
        role=ClueRole.WARNING,
        certainty=Certainty.LIKELY,
        matches=(
            "cp: cannot stat '/mnt/share/model.bin': No such file or directory",
            "cat: /run/secrets/key: No such file or directory",
            "mkdir: cannot create directory '/out': Permission denied",
        ),
        near_misses=("ModelPath cannot stat '/a'",),
    ),
    Signature(
        name="git-refused",
        code="app.data-access",
        contains=(
            "fatal: repository '",
            "Permission denied (publickey",
            "fatal: could not read Username for",
            "fatal: Authentication failed for",
            "ERROR: Repository not found.",
        ),
        role=ClueRole.WARNING,
        certainty=Certainty.LIKELY,
        matches=(
            "fatal: repository 'https://git.example/acme/job.git/' not found",
            "git@git.example: Permission denied (publickey).",
        ),
        near_misses=("fatal: not a git repository (or any of the parent directories): .git",),
    ),
)
