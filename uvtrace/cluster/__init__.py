# SPDX-License-Identifier: Apache-2.0
"""Work that is done on a Dask cluster: one that runs already, or one within this process."""
