// SPDX-License-Identifier: GPL-2.0
/*
 * uvnic1: the 1-in-1-out NIC, a network device with four registers and one
 * descriptor in each direction. devices/uvnic1/README.md describes the
 * hardware; devices/uvnic1/model.py is it.
 *
 * One frame is on its way out at a time: the queue is stopped from the
 * doorbell to the completion. One buffer is there for a frame to come in;
 * frames that come meanwhile wait on the device's side of the wire.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/rtnetlink.h>

/*
 * 0x5556 ("UV") is in no list of vendors that we know (pci.ids of 2023-04-10),
 * which does not mean that nobody has it: it must never get into hardware.
 */
#define UVNIC1_VENDOR		0x5556
#define UVNIC1_DEVICE		0x0001

/* BAR0 */
#define UVNIC1_TX_DESC		0x0
#define UVNIC1_RX_DESC		0x4
#define UVNIC1_CONTROL		0x8
#define   CONTROL_TX		BIT(0)
#define   CONTROL_RX		BIT(1)
#define   CONTROL_RESET		BIT(31)
#define UVNIC1_EVENTS		0xc
#define   EVENT_TX		BIT(0)
#define   EVENT_RX		BIT(1)
#define   EVENT_LINK		BIT(2)
#define   EVENTS_CAUSES		(EVENT_TX | EVENT_RX | EVENT_LINK)
#define   EVENTS_UP		BIT(8)
#define UVNIC1_ALL_ONES		0xffffffffU

#define STATUS_LENGTH		0xffffU
#define STATUS_ERROR		BIT(30)
#define STATUS_DONE		BIT(31)

#define UVNIC1_RING_SIZE	(2 * sizeof(struct uvnic1_descriptor))
#define UVNIC1_RX_SIZE		1536
#define UVNIC1_TX_TIMEOUT	(5 * HZ)

/* As it lies in memory; the device writes status, and nothing else. */
struct uvnic1_descriptor {
	__le32	address;
	__le32	length;
	__le32	status;
	__le32	reserved;
};

/* One direction: its descriptor, and the frame's memory while the device has it. */
struct uvnic1_way {
	struct uvnic1_descriptor *desc;
	enum dma_data_direction	direction;
	u32			doorbell;
	struct sk_buff		*skb;	/* NULL: the device has none */
	dma_addr_t		dma;
	unsigned int		length;
};

/*
 * tx is given under the transmit queue's lock while the queue runs, and taken
 * back by NAPI while it is stopped; rx belongs to NAPI. Neither is in use
 * when uvnic1_start() and uvnic1_halt() touch them, under RTNL.
 */
struct uvnic1 {
	struct pci_dev		*pdev;
	struct net_device	*netdev;
	void __iomem		*regs;
	struct uvnic1_descriptor *ring;	/* one for each way: tx, rx */
	dma_addr_t		ring_dma;
	struct uvnic1_way	tx;
	struct uvnic1_way	rx;
	struct napi_struct	napi;
	struct work_struct	restart;
	int			irq;
};

static u32 uvnic1_read(struct uvnic1 *nic, unsigned int offset)
{
	return ioread32(nic->regs + offset);
}

static void uvnic1_write(struct uvnic1 *nic, unsigned int offset, u32 value)
{
	iowrite32(value, nic->regs + offset);
}

/* ------------------------------------------------------------- transmit */

/* Gives the device a frame's memory; the caller keeps the skb when it fails. */
static int uvnic1_give(struct uvnic1 *nic, struct uvnic1_way *way, struct sk_buff *skb,
		       unsigned int length)
{
	struct device *dev = &nic->pdev->dev;
	dma_addr_t dma = dma_map_single(dev, skb->data, length, way->direction);

	if (dma_mapping_error(dev, dma))
		return -ENOMEM;
	way->skb = skb;
	way->dma = dma;
	way->length = length;
	way->desc->address = cpu_to_le32(dma);
	way->desc->length = cpu_to_le32(length);
	/* iowrite32() puts the descriptor into memory before the doorbell. */
	uvnic1_write(nic, UVNIC1_CONTROL, way->doorbell);
	return 0;
}

/* What the device has said of a descriptor: 0 while it is at work. */
static u32 uvnic1_status(struct uvnic1_way *way)
{
	u32 status = le32_to_cpu(READ_ONCE(way->desc->status));

	/* All else is looked at after the status that says that it is there. */
	dma_rmb();
	return status & STATUS_DONE ? status : 0;
}

/* Takes the memory back. The status goes, too: it must not answer for the next. */
static struct sk_buff *uvnic1_take(struct uvnic1 *nic, struct uvnic1_way *way)
{
	struct sk_buff *skb = way->skb;

	dma_unmap_single(&nic->pdev->dev, way->dma, way->length, way->direction);
	way->skb = NULL;
	way->desc->status = 0;
	return skb;
}

static netdev_tx_t uvnic1_start_xmit(struct sk_buff *skb, struct net_device *netdev)
{
	struct uvnic1 *nic = netdev_priv(netdev);

	if (skb_put_padto(skb, ETH_ZLEN)) {
		netdev->stats.tx_dropped++;
		return NETDEV_TX_OK;	/* it is freed */
	}
	skb_tx_timestamp(skb);
	/* There is one descriptor. NAPI may wake the queue before this is back. */
	netif_stop_queue(netdev);
	if (uvnic1_give(nic, &nic->tx, skb, skb->len)) {
		netdev->stats.tx_dropped++;
		dev_kfree_skb_any(skb);
		netif_wake_queue(netdev);
	}
	return NETDEV_TX_OK;
}

static void uvnic1_clean_tx(struct uvnic1 *nic, int budget)
{
	struct net_device *netdev = nic->netdev;
	u32 status = uvnic1_status(&nic->tx);
	struct sk_buff *skb;

	if (!status)
		return;
	skb = uvnic1_take(nic, &nic->tx);
	if (status & STATUS_ERROR) {
		netdev->stats.tx_errors++;
	} else {
		netdev->stats.tx_packets++;
		netdev->stats.tx_bytes += skb->len;
	}
	napi_consume_skb(skb, budget);
	netif_wake_queue(netdev);
}

/* -------------------------------------------------------------- receive */

/* Takes a frame, if there is one, and posts the next buffer. */
static bool uvnic1_clean_rx(struct uvnic1 *nic)
{
	struct net_device *netdev = nic->netdev;
	u32 status = uvnic1_status(&nic->rx);
	u32 length = status & STATUS_LENGTH;
	struct sk_buff *skb, *next;

	if (!status)
		return false;
	skb = uvnic1_take(nic, &nic->rx);
	next = netdev_alloc_skb_ip_align(netdev, UVNIC1_RX_SIZE);
	if (status & STATUS_ERROR || length < ETH_HLEN || length > UVNIC1_RX_SIZE) {
		netdev->stats.rx_errors++;
		dev_kfree_skb_any(next);
	} else if (!next) {
		netdev->stats.rx_dropped++;
	} else {
		netdev->stats.rx_packets++;
		netdev->stats.rx_bytes += length;
		skb_put(skb, length);
		skb->protocol = eth_type_trans(skb, netdev);
		napi_gro_receive(&nic->napi, skb);
		skb = next;
	}
	/* Where there is no new one, or no use for it, the old one serves again. */
	if (uvnic1_give(nic, &nic->rx, skb, UVNIC1_RX_SIZE)) {
		dev_kfree_skb_any(skb);
		schedule_work(&nic->restart);
	}
	return true;
}

/* ----------------------------------------------------------- interrupts */

static void uvnic1_look_at_link(struct uvnic1 *nic, u32 events)
{
	if (events & EVENTS_UP)
		netif_carrier_on(nic->netdev);
	else
		netif_carrier_off(nic->netdev);
}

static irqreturn_t uvnic1_interrupt(int irq, void *data)
{
	struct uvnic1 *nic = data;
	u32 events = uvnic1_read(nic, UVNIC1_EVENTS);

	if (events == UVNIC1_ALL_ONES || !(events & EVENTS_CAUSES))
		return IRQ_NONE;
	/* What happens from here on interrupts again. */
	uvnic1_write(nic, UVNIC1_EVENTS, events & EVENTS_CAUSES);
	if (events & EVENT_LINK)
		uvnic1_look_at_link(nic, events);
	napi_schedule(&nic->napi);
	return IRQ_HANDLED;
}

static int uvnic1_poll(struct napi_struct *napi, int budget)
{
	struct uvnic1 *nic = container_of(napi, struct uvnic1, napi);
	int done = 0;

	uvnic1_clean_tx(nic, budget);
	while (done < budget && uvnic1_clean_rx(nic))
		done++;
	if (done < budget)
		napi_complete_done(napi, done);
	return done;
}

/* ------------------------------------------------------------ up and down */

/* The device forgets everything and touches no memory once this is back. */
static void uvnic1_reset(struct uvnic1 *nic)
{
	uvnic1_write(nic, UVNIC1_CONTROL, CONTROL_RESET);
	/* The answer pushes what the device has written before into memory. */
	uvnic1_read(nic, UVNIC1_EVENTS);
}

static int uvnic1_start(struct uvnic1 *nic)
{
	struct net_device *netdev = nic->netdev;
	struct sk_buff *skb;
	int ret;

	skb = netdev_alloc_skb_ip_align(netdev, UVNIC1_RX_SIZE);
	if (!skb)
		return -ENOMEM;
	uvnic1_reset(nic);
	uvnic1_write(nic, UVNIC1_TX_DESC, nic->ring_dma);
	uvnic1_write(nic, UVNIC1_RX_DESC, nic->ring_dma + sizeof(*nic->ring));
	napi_enable(&nic->napi);
	ret = uvnic1_give(nic, &nic->rx, skb, UVNIC1_RX_SIZE);
	if (ret) {
		napi_disable(&nic->napi);
		dev_kfree_skb(skb);
		return ret;
	}
	uvnic1_look_at_link(nic, uvnic1_read(nic, UVNIC1_EVENTS));
	netif_start_queue(netdev);
	return 0;
}

static void uvnic1_halt(struct uvnic1 *nic)
{
	netif_tx_disable(nic->netdev);
	netif_carrier_off(nic->netdev);
	uvnic1_reset(nic);
	/* No interrupt comes any more; one that has come may still be at work. */
	synchronize_irq(nic->irq);
	napi_disable(&nic->napi);
	if (nic->tx.skb) {
		dev_kfree_skb(uvnic1_take(nic, &nic->tx));
		nic->netdev->stats.tx_dropped++;
	}
	if (nic->rx.skb)
		dev_kfree_skb(uvnic1_take(nic, &nic->rx));
}

static int uvnic1_open(struct net_device *netdev)
{
	struct uvnic1 *nic = netdev_priv(netdev);
	struct device *dev = &nic->pdev->dev;
	int ret;

	nic->ring = dma_alloc_coherent(dev, UVNIC1_RING_SIZE, &nic->ring_dma, GFP_KERNEL);
	if (!nic->ring)
		return -ENOMEM;
	nic->tx.desc = &nic->ring[0];
	nic->rx.desc = &nic->ring[1];
	ret = request_irq(nic->irq, uvnic1_interrupt, IRQF_SHARED, netdev->name, nic);
	if (ret)
		goto free_ring;
	ret = uvnic1_start(nic);
	if (!ret)
		return 0;

	uvnic1_reset(nic);
	free_irq(nic->irq, nic);
free_ring:
	dma_free_coherent(dev, UVNIC1_RING_SIZE, nic->ring, nic->ring_dma);
	return ret;
}

static int uvnic1_stop(struct net_device *netdev)
{
	struct uvnic1 *nic = netdev_priv(netdev);

	/* After a restart that failed there is nothing left to halt. */
	if (netif_device_present(netdev))
		uvnic1_halt(nic);
	free_irq(nic->irq, nic);
	dma_free_coherent(&nic->pdev->dev, UVNIC1_RING_SIZE, nic->ring, nic->ring_dma);
	return 0;
}

static void uvnic1_restart(struct work_struct *work)
{
	struct uvnic1 *nic = container_of(work, struct uvnic1, restart);

	rtnl_lock();
	if (netif_running(nic->netdev) && netif_device_present(nic->netdev)) {
		uvnic1_halt(nic);
		if (uvnic1_start(nic)) {
			netdev_err(nic->netdev, "cannot be started again\n");
			netif_device_detach(nic->netdev);
		}
	}
	rtnl_unlock();
}

static void uvnic1_tx_timeout(struct net_device *netdev, unsigned int queue)
{
	struct uvnic1 *nic = netdev_priv(netdev);

	netdev->stats.tx_errors++;
	schedule_work(&nic->restart);
}

static const struct net_device_ops uvnic1_netdev_ops = {
	.ndo_open		= uvnic1_open,
	.ndo_stop		= uvnic1_stop,
	.ndo_start_xmit		= uvnic1_start_xmit,
	.ndo_tx_timeout		= uvnic1_tx_timeout,
	.ndo_set_mac_address	= eth_mac_addr,
	.ndo_validate_addr	= eth_validate_addr,
};

/* ------------------------------------------------------- probe and remove */

/* The vendor-specific capability: identity, next, length, then the address. */
static void uvnic1_read_address(struct uvnic1 *nic)
{
	int at = pci_find_capability(nic->pdev, PCI_CAP_ID_VNDR);
	u8 address[ETH_ALEN];
	int i;

	for (i = 0; at && i < ETH_ALEN; i++)
		pci_read_config_byte(nic->pdev, at + PCI_CAP_FLAGS + 1 + i, &address[i]);
	if (at && is_valid_ether_addr(address))
		eth_hw_addr_set(nic->netdev, address);
	else
		eth_hw_addr_random(nic->netdev);
}

static int uvnic1_map(struct uvnic1 *nic)
{
	struct pci_dev *pdev = nic->pdev;
	int ret;

	ret = pci_enable_device_mem(pdev);
	if (ret)
		return ret;
	ret = pci_request_mem_regions(pdev, KBUILD_MODNAME);
	if (ret)
		goto disable;
	ret = -ENOMEM;
	nic->regs = pci_iomap(pdev, 0, 0);
	if (!nic->regs)
		goto release;
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(32));
	if (ret)
		goto unmap;
	/* Whatever was left running must not wake up with bus mastering. */
	uvnic1_reset(nic);
	pci_set_master(pdev);
	ret = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_ALL_TYPES);
	if (ret < 0)
		goto clear;
	nic->irq = pci_irq_vector(pdev, 0);
	return 0;

clear:
	pci_clear_master(pdev);
unmap:
	pci_iounmap(pdev, nic->regs);
release:
	pci_release_mem_regions(pdev);
disable:
	pci_disable_device(pdev);
	return ret;
}

static void uvnic1_unmap(struct uvnic1 *nic)
{
	struct pci_dev *pdev = nic->pdev;

	uvnic1_reset(nic);
	pci_free_irq_vectors(pdev);
	pci_clear_master(pdev);
	pci_iounmap(pdev, nic->regs);
	pci_release_mem_regions(pdev);
	pci_disable_device(pdev);
}

static int uvnic1_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct net_device *netdev = alloc_etherdev(sizeof(struct uvnic1));
	struct uvnic1 *nic;
	int ret;

	if (!netdev)
		return -ENOMEM;
	SET_NETDEV_DEV(netdev, &pdev->dev);
	nic = netdev_priv(netdev);
	nic->pdev = pdev;
	nic->netdev = netdev;
	nic->tx.direction = DMA_TO_DEVICE;
	nic->tx.doorbell = CONTROL_TX;
	nic->rx.direction = DMA_FROM_DEVICE;
	nic->rx.doorbell = CONTROL_RX;
	INIT_WORK(&nic->restart, uvnic1_restart);
	ret = uvnic1_map(nic);
	if (ret)
		goto free_netdev;

	netdev->netdev_ops = &uvnic1_netdev_ops;
	netdev->watchdog_timeo = UVNIC1_TX_TIMEOUT;
	netif_napi_add(netdev, &nic->napi, uvnic1_poll);
	uvnic1_read_address(nic);
	netif_carrier_off(netdev);
	pci_set_drvdata(pdev, nic);
	ret = register_netdev(netdev);
	if (!ret)
		return 0;

	netif_napi_del(&nic->napi);
	uvnic1_unmap(nic);
free_netdev:
	free_netdev(netdev);
	return ret;
}

static void uvnic1_remove(struct pci_dev *pdev)
{
	struct uvnic1 *nic = pci_get_drvdata(pdev);

	unregister_netdev(nic->netdev);
	cancel_work_sync(&nic->restart);
	netif_napi_del(&nic->napi);
	uvnic1_unmap(nic);
	free_netdev(nic->netdev);
}

static const struct pci_device_id uvnic1_ids[] = {
	{ PCI_DEVICE(UVNIC1_VENDOR, UVNIC1_DEVICE) },
	{ }
};
MODULE_DEVICE_TABLE(pci, uvnic1_ids);

static struct pci_driver uvnic1_driver = {
	.name		= KBUILD_MODNAME,
	.id_table	= uvnic1_ids,
	.probe		= uvnic1_probe,
	.remove		= uvnic1_remove,
};
module_pci_driver(uvnic1_driver);

MODULE_DESCRIPTION("The 1-in-1-out NIC: four registers, one descriptor each way");
MODULE_LICENSE("GPL");
