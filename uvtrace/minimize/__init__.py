# SPDX-License-Identifier: Apache-2.0
"""Minimising: the fewest records of a recording that still prove a finding."""
