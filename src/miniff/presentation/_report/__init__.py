"""One self-contained page about a fit or a test: tables, plots that name structures, the job."""

from miniff.presentation._report._content import Coverage, Report, ReportedSet
from miniff.presentation._report._page import is_report, write_html

__all__ = ["Coverage", "Report", "ReportedSet", "is_report", "write_html"]
