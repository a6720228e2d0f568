// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupt vectors: allocation is told at its return, freeing at its entry.
 *
 * Vector-alloc: value is what was asked for at most, irq.minimum at least,
 * irq.count what was granted, irq.irq the first one's number.
 */
#include <linux/version.h>

#include "vector.h"

static enum uv_irq_type uv_vector_type(const struct pci_dev *pdev)
{
	if (pdev->msix_enabled)
		return UV_IRQ_MSIX;
	return pdev->msi_enabled ? UV_IRQ_MSI : UV_IRQ_INTX;
}

/* ---- allocation ---- */

struct uv_vectors {
	unsigned int	minimum;
	unsigned int	maximum;
	int		result;		/* as the call returned it */
	unsigned int	granted;
	u16		first;		/* table index */
};

static void uv_vectors_log(struct pci_dev *pdev, const struct uv_vectors *vectors, u64 start,
			   unsigned long ip)
{
	/* may sleep, so not in the read-side section */
	int irq = vectors->granted ? pci_irq_vector(pdev, vectors->first) : 0;
	const struct uv_function *fn;
	struct uv_record rec;

	rcu_read_lock();
	fn = uv_traced(&pdev->dev);
	if (fn) {
		uv_event(&rec, UV_KIND_VECTOR_ALLOC, fn);
		rec.phase = UV_PHASE_WHOLE;
		rec.status = vectors->result < 0 ? UV_STATUS_FAILED : UV_STATUS_OK;
		rec.time_ns = start;
		rec.value = vectors->maximum;
		rec.irq.irq = max(irq, 0);
		rec.irq.vector = vectors->first;
		rec.irq.type = uv_vector_type(pdev);
		rec.irq.count = vectors->granted;
		rec.irq.minimum = vectors->minimum;
		rec.irq.result = vectors->result;
		uv_event_at(&rec, fn, ip, true);
		uv_emit(&rec, NULL, 0);
	}
	rcu_read_unlock();
}

static int uv_pci_alloc_irq_vectors_affinity(struct pci_dev *pdev, unsigned int minimum,
					     unsigned int maximum, unsigned int flags,
					     struct irq_affinity *affinity)
{
	u64 start;
	int n;

	uv_hook_enter();
	start = uv_call_begins();
	n = pci_alloc_irq_vectors_affinity(pdev, minimum, maximum, flags, affinity);
	if (start)
		uv_vectors_log(pdev, &(struct uv_vectors) {
			.minimum = minimum, .maximum = maximum, .result = n,
			.granted = max(n, 0),
		}, start, _RET_IP_);
	uv_hook_exit();
	return n;
}

/* Inline in some kernels; where it is not, it may or may not contain the other. */
static int uv_pci_alloc_irq_vectors(struct pci_dev *pdev, unsigned int minimum,
				    unsigned int maximum, unsigned int flags)
{
	u64 start;
	int n;

	uv_hook_enter();
	start = uv_call_begins();
	/* our own call is not redirected, so this is told once */
	n = pci_alloc_irq_vectors_affinity(pdev, minimum, maximum, flags, NULL);
	if (start)
		uv_vectors_log(pdev, &(struct uv_vectors) {
			.minimum = minimum, .maximum = maximum, .result = n,
			.granted = max(n, 0),
		}, start, _RET_IP_);
	uv_hook_exit();
	return n;
}

static int uv_pci_enable_msi(struct pci_dev *pdev)
{
	u64 start;
	int err;

	uv_hook_enter();
	start = uv_call_begins();
	err = pci_enable_msi(pdev);
	if (start)
		uv_vectors_log(pdev, &(struct uv_vectors) {
			.minimum = 1, .maximum = 1, .result = err, .granted = !err,
		}, start, _RET_IP_);
	uv_hook_exit();
	return err;
}

static int uv_pci_enable_msix_range(struct pci_dev *pdev, struct msix_entry *entries,
				    int minimum, int maximum)
{
	u64 start;
	int n;

	uv_hook_enter();
	start = uv_call_begins();
	n = pci_enable_msix_range(pdev, entries, minimum, maximum);
	if (start)
		uv_vectors_log(pdev, &(struct uv_vectors) {
			.minimum = minimum, .maximum = maximum, .result = n,
			.granted = max(n, 0), .first = n > 0 && entries ? entries[0].entry : 0,
		}, start, _RET_IP_);
	uv_hook_exit();
	return n;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
static struct msi_map uv_pci_msix_alloc_irq_at(struct pci_dev *pdev, unsigned int index,
					       const struct irq_affinity_desc *affinity)
{
	struct msi_map map;
	u64 start;

	uv_hook_enter();
	start = uv_call_begins();
	map = pci_msix_alloc_irq_at(pdev, index, affinity);
	if (start)
		uv_vectors_log(pdev, &(struct uv_vectors) {
			.minimum = 1, .maximum = 1, .result = min(map.index, 0),
			.granted = map.index >= 0, .first = max(map.index, 0),
		}, start, _RET_IP_);
	uv_hook_exit();
	return map;
}
#endif

/* ---- freeing: one function calls the other, the outermost tells ---- */

static unsigned int uv_vectors_held(struct pci_dev *pdev)
{
	unsigned int n = 0;

	while (pci_irq_vector(pdev, n) > 0)
		n++;
	return n;
}

static void uv_vectors_freed(struct pci_dev *pdev, unsigned long ip)
{
	const struct uv_function *fn;
	struct uv_record rec;
	unsigned int held;
	bool traced;

	if (!pdev || !(pdev->msi_enabled || pdev->msix_enabled))
		return;	/* nothing is freed */
	rcu_read_lock();
	traced = uv_traced(&pdev->dev);
	rcu_read_unlock();
	if (!traced)
		return;
	held = uv_vectors_held(pdev);	/* may sleep */
	rcu_read_lock();
	fn = uv_traced(&pdev->dev);
	if (fn) {
		uv_event(&rec, UV_KIND_VECTOR_FREE, fn);
		rec.irq.type = uv_vector_type(pdev);
		rec.irq.count = held;
		uv_event_at(&rec, fn, ip, true);
		uv_emit(&rec, NULL, 0);
	}
	rcu_read_unlock();
}

#define UV_DEFINE_VECTORS_FREE(name)						\
static void uv_##name(struct pci_dev *pdev)					\
{										\
	struct uv_nest nest;							\
										\
	uv_hook_enter();							\
	if (uv_nest_enter(&nest, UV_NEST_VECTORS) && uv_recording())		\
		uv_vectors_freed(pdev, _RET_IP_);				\
	name(pdev);								\
	uv_nest_exit(&nest);							\
	uv_hook_exit();								\
}

UV_DEFINE_VECTORS_FREE(pci_disable_msi)
UV_DEFINE_VECTORS_FREE(pci_disable_msix)
UV_DEFINE_VECTORS_FREE(pci_free_irq_vectors)

typedef void uv_msi_release_fn(void *pdev);
UV_ORIGINAL(pcim_msi_release, uv_msi_release_fn)

/* devres of a managed device frees what its driver did not; some kernels inline the rest */
static void uv_pcim_msi_release(void *pdev)
{
	struct uv_nest nest;

	uv_hook_enter();
	if (uv_nest_enter(&nest, UV_NEST_VECTORS) && uv_recording())
		uv_vectors_freed(pdev, _RET_IP_);
	static_call(pcim_msi_release_original)(pdev);
	uv_nest_exit(&nest);
	uv_hook_exit();
}

struct uv_hook uv_irq_hooks[] = {
	UV_HOOK_STATIC(irq_thread_fn, "handler-enter of threads"),
	UV_HOOK_STATIC(irq_forced_thread_fn, "handler-enter of threads"),
	UV_HOOK_STATIC_OPTIONAL(pcim_msi_release, "vector-free"),
	UV_HOOK(request_threaded_irq, "irq-request"),
	UV_HOOK(free_irq, "irq-free"),
	UV_HOOK(pci_alloc_irq_vectors_affinity, "vector-alloc"),
	UV_HOOK_OPTIONAL(pci_alloc_irq_vectors, "vector-alloc"),
	UV_HOOK(pci_enable_msi, "vector-alloc"),
	UV_HOOK(pci_enable_msix_range, "vector-alloc"),
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	UV_HOOK_OPTIONAL(pci_msix_alloc_irq_at, "vector-alloc"),
#endif
	UV_HOOK(pci_disable_msi, "vector-free"),
	UV_HOOK(pci_disable_msix, "vector-free"),
	UV_HOOK(pci_free_irq_vectors, "vector-free"),
};

const unsigned int uv_irq_hook_count = ARRAY_SIZE(uv_irq_hooks);
