from .details import Details as Details
from .json_document import document as document, json_report as json_report
from .rendering import render as render
from .rows import Row as Row
from .run import FailedTest as FailedTest, Model as Model, Run as Run
from .stored import ReportError as ReportError, read_report as read_report
from .terminal import terminal_lines as terminal_lines
