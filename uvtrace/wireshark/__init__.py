# SPDX-License-Identifier: Apache-2.0
"""Wireshark on recordings: the dissector, its installation, and display filters from Python.

``uvbus.lua`` and the parts in ``uvbus/`` are the dissector; :mod:`~uvtrace.wireshark.install`
puts them where Wireshark looks, :mod:`~uvtrace.wireshark.tshark` runs tshark with them uninstalled,
:mod:`~uvtrace.wireshark.filtering` asks which records match a display filter.
"""
