"""A SLURM of one node on the loopback interface, from Debian's packages and without an accounting database.

Its daemons run in the foreground as children of this process, with all their files in one folder. Only the link to the
configuration lies elsewhere: the commands inside a job look nowhere but in /etc/slurm.
"""

import os
import random
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
COMMANDS = ("sbatch", "scontrol", "sinfo", "squeue", "srun")
SYSTEM_CONFIGURATION = Path("/etc/slurm/slurm.conf")
START_SECONDS = 60

# OverMemoryKill is what the memory control groups of a real cluster do: a job above its memory is killed.
CONFIGURATION = """
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
ReturnToService=2
MinJobAge=7200
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
KillWait=5
SchedulerParameters=sched_interval=1,bf_interval=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=UNLIMITED State=UP
"""


def why_none_can_start() -> str:
    """What keeps this machine from running a SLURM of its own; empty if nothing does."""
    missing = [name for name in (*DAEMONS, *COMMANDS) if not shutil.which(name)]
    if missing:
        return f"not installed: {', '.join(missing)} (apt-get install slurmctld slurmd slurm-client munge)"
    if os.getuid() != 0:
        return "the daemons of SLURM need root"
    if SYSTEM_CONFIGURATION.is_symlink():  # which also makes Snakemake wait 9 s for an answer at every start
        return f"{SYSTEM_CONFIGURATION} is a link of other tests; if they were killed, remove it"
    if SYSTEM_CONFIGURATION.exists():
        return f"{SYSTEM_CONFIGURATION} exists"
    return ""


def _free_ports(n: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def write_configuration(folder: Path) -> Path:
    """Write the configuration of a cluster below `folder`, with the CPUs and the memory of this machine."""
    controller_port, node_port = _free_ports(2)
    values = {
        "folder": folder,
        "host": socket.gethostname().split(".")[0],
        "controller_port": controller_port,
        "node_port": node_port,
        "cpus": os.cpu_count(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 - 512,
    }
    path = folder / "slurm.conf"
    path.write_text(CONFIGURATION.format(**values))
    return path


@contextmanager
def _daemon(folder: Path, *command: str | Path) -> Iterator[None]:
    """A process in the foreground, with its output in a log; ended and waited for at the end."""
    with (folder / f"{command[0]}.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def _wait_until_idle(folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        run = subprocess.run(["sinfo", "--noheader", "--format=%T"], capture_output=True, text=True, check=False)
        if run.stdout.strip() == "idle":
            return
        time.sleep(0.5)
    logs = "\n".join(f"{log.name}:\n{log.read_text()[-500:]}" for log in folder.glob("*.log"))
    raise RuntimeError(f"SLURM does not answer after {START_SECONDS} s: {run.stdout}{run.stderr}\n{logs}")


@contextmanager
def one_node_slurm(folder: Path) -> Iterator[None]:
    """Run a cluster with its files in `folder`, until the end of the context; jobs that are left are cancelled."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    munge_files = [f"--{name}-file={folder / f'munge.{name}'}" for name in ("key", "log", "pid", "seed")]
    configuration = write_configuration(folder)
    with ExitStack() as stack:
        SYSTEM_CONFIGURATION.parent.mkdir(exist_ok=True)
        SYSTEM_CONFIGURATION.symlink_to(configuration)
        stack.callback(SYSTEM_CONFIGURATION.unlink)
        # Forced, as munged wants a socket that every user can reach, and folders of tests are root's.
        munged = ("munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *munge_files)
        stack.enter_context(_daemon(folder, *munged))
        stack.enter_context(_daemon(folder, "slurmctld", "-D"))
        stack.enter_context(_daemon(folder, "slurmd", "-D"))
        _wait_until_idle(folder)
        stack.callback(_cancel_jobs)
        yield


def kill_random_job(rng: random.Random) -> str:
    """Kill a running job with SIGKILL; returns its rules, empty if none is running."""
    command = ["squeue", "--states=running", "--noheader", "--format=%A %k"]
    jobs = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    if not jobs:
        return ""
    number, rules = rng.choice(jobs).split()
    subprocess.run(["scancel", "--signal=KILL", "--full", number], check=True)
    return rules


def _cancel_jobs() -> None:
    """Cancel all jobs, and wait until their processes have ended."""
    subprocess.run(["scancel", "--user=root"], check=False)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        run = subprocess.run(["squeue", "--noheader"], capture_output=True, text=True, check=False)
        if not run.stdout.strip():
            return
        time.sleep(0.5)
