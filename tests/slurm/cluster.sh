# shellcheck shell=bash
# A Slurm cluster of one node on this machine, started by hand: no systemd, no control
# groups, no accounting. To be sourced: `start FOLDER`, then `stop`. All it writes is in
# FOLDER, whose path has no blanks; commands find it by SLURM_CONF.

slurm_daemons=()

# Waits until a command succeeds, for ten seconds at most.
until_it_works() {
    for _ in $(seq 100); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "never worked: $*" >&2
    cat "$slurm_folder"/*.log >&2
    return 1
}

start() {
    slurm_folder=$1
    mkdir -p "$slurm_folder"/{state,spool}
    # munge insists on a folder that nobody else writes to, from the root on.
    slurm_munge=$(mktemp -d /run/tidegate-munge.XXXXXX)
    chmod 755 "$slurm_munge"
    dd if=/dev/urandom of="$slurm_munge/key" bs=128 count=1 status=none
    chmod 600 "$slurm_munge/key"
    cat >"$slurm_folder/slurm.conf" <<CONF
ClusterName=tidegate
SlurmctldHost=localhost
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$slurm_munge/socket
CredType=cred/munge
StateSaveLocation=$slurm_folder/state
SlurmdSpoolDir=$slurm_folder/spool
SlurmctldPidFile=$slurm_folder/slurmctld.pid
SlurmdPidFile=$slurm_folder/slurmd.pid
SlurmctldLogFile=$slurm_folder/slurmctld.log
SlurmdLogFile=$slurm_folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=node NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 CPUs=2
PartitionName=all Nodes=node Default=YES MaxTime=INFINITE State=UP
CONF
    export SLURM_CONF=$slurm_folder/slurm.conf
    munged --foreground --key-file="$slurm_munge/key" --socket="$slurm_munge/socket" \
        --pid-file="$slurm_munge/pid" --log-file="$slurm_munge/log" \
        --seed-file="$slurm_munge/seed" >"$slurm_folder/munged.log" 2>&1 &
    slurm_daemons+=($!)
    until_it_works munge -n --socket="$slurm_munge/socket"
    slurmctld -D -c >>"$slurm_folder/slurmctld.log" 2>&1 &
    slurm_daemons+=($!)
    slurmd -D -N node >>"$slurm_folder/slurmd.log" 2>&1 &
    slurm_daemons+=($!)
    until_it_works sh -c 'sinfo --noheader --format %T | grep -q idle'
}

stop() {
    for daemon in "${slurm_daemons[@]}"; do
        kill "$daemon" 2>/dev/null || true
    done
    wait "${slurm_daemons[@]}" 2>/dev/null || true
    slurm_daemons=()
    rm -rf "${slurm_munge:-}"
}
