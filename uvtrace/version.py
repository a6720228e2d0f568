# SPDX-License-Identifier: Apache-2.0
"""The version, where the build finds it without importing the libraries."""

VERSION = "0.1.0"
