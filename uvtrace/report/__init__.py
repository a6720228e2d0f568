# SPDX-License-Identifier: Apache-2.0
"""Reports: one page that holds everything, a slice of the recording for each finding.

    results = judge(trace)
    told, device = told_of(results), known_devices(trace)
    subject = Subject(trace=trace, results=results, told=told, device=device)
    Path("page.html").write_text(page(subject))

The page's text is made here, and escaped here (:mod:`uvtrace.report.markup`); its style sheets and
scripts stand in ``page/`` and are put into it, with a policy that lets nothing else run or load.
"""

from uvtrace.report.document import Subject, page
from uvtrace.report.findings import told_of
from uvtrace.report.folder import write_report
from uvtrace.report.states import known_devices

__all__ = ["Subject", "known_devices", "page", "told_of", "write_report"]
