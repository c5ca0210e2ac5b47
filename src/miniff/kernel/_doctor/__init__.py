"""What looks wrong in reference data, found before anything is learned from them."""

from miniff.kernel._doctor._checkup import Checkup, check_data
from miniff.kernel._doctor._finding import SEVERITIES, Finding, Severity
from miniff.kernel._doctor._names import unread_labels

__all__ = ["SEVERITIES", "Checkup", "Finding", "Severity", "check_data", "unread_labels"]
