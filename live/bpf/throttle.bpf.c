/* Tells user space which control group's CPU time has just run out.
 *
 * Attached to the kernel's throttle_cfs_rq, which is called once for each CPU on which
 * the group stands still. Where fields lie in the running kernel is found out when it is
 * loaded (CO-RE), so one object fits all kernels; needs BTF and a ring buffer (5.8).
 *
 *   clang -g -O2 -target bpf -c throttle.bpf.c -o throttle.bpf.o
 */
typedef unsigned long long u64;

#define SECTION(name) __attribute__((section(name), used))
#define OF_THE_KERNEL __attribute__((preserve_access_index))

/* What is read of the kernel's structures, and no more. */
struct kernfs_node {
	u64 id;
} OF_THE_KERNEL;

struct cgroup {
	struct kernfs_node *kn;
} OF_THE_KERNEL;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
} OF_THE_KERNEL;

struct task_group {
	struct cgroup_subsys_state css;
} OF_THE_KERNEL;

struct cfs_rq {
	struct task_group *tg;
} OF_THE_KERNEL;

/* BPF_MAP_TYPE_RINGBUF, 256 KiB: 16,384 events of 16 bytes. */
struct {
	int (*type)[27];
	int (*max_entries)[256 * 1024];
} EVENTS SECTION(".maps");

/* BPF_FUNC_ringbuf_output. */
static long (*const ringbuf_output)(void *ring, void *data, u64 size, u64 flags) = (void *)130;

SECTION("fentry/throttle_cfs_rq")
int throttled(u64 *arguments)
{
	struct cfs_rq *queue = (void *)arguments[0];
	u64 id = queue->tg->css.cgroup->kn->id;

	/* Where the ring is full nobody reads it, and the event is of no use. */
	ringbuf_output(&EVENTS, &id, sizeof(id), 0);
	return 0;
}

char LICENSE[] SECTION("license") = "Apache-2.0";
