# SPDX-License-Identifier: Apache-2.0
"""A recorded device plays for a live driver: ``--device trace:RUN.pcapng``.

No behavioural model is needed. What the driver reads is answered from the recording, as far as the
driver has come in it (:mod:`uvtrace.play.timeline`); buffers change hands in the live driver's own
memory, as the contract's declaration of descriptors says (:mod:`uvtrace.play.rings`).
"""

from uvtrace.play.declaration import Doorbell, Interrupts, Playing

__all__ = ["Doorbell", "Interrupts", "Playing"]
