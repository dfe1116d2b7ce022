"""Dialect: how a text table is written, as far as somebody said or as a file showed it."""

from dataclasses import dataclass
from typing import TypedDict

from nice_anomaly.errors import ConfigError

DECIMALS = (".", ",")
DATES = ("dmy", "mdy")
SEPARATORS = {"tab": "\t", "\\t": "\t", "space": " "}  # what a shell makes hard to type


class DialectWords(TypedDict, total=False):
    """What can be said of a table's dialect as arguments; see ``Dialect``."""

    separator: str
    decimal: str
    dates: str
    sheet: str


@dataclass(frozen=True)
class Dialect:
    """What was said of the tables of a run; "" leaves it to each file.

    ``decimal`` is the decimal sign, ``separator`` what parts the cells, ``dates`` whether the day
    or the month comes first and ``sheet`` the sheet of a workbook. ``usual`` is the decimal sign
    that the training files showed: it decides where a later file leaves it open.
    """

    separator: str = ""
    decimal: str = ""
    dates: str = ""
    sheet: str = ""
    usual: str = ""

    def __post_init__(self) -> None:
        if self.decimal not in ("", *DECIMALS):
            raise ConfigError(f"`decimal` takes '.' or ',', got '{self.decimal}'.")
        if self.dates not in ("", *DATES):
            raise ConfigError(
                f"`dates` takes dmy (day first) or mdy (month first), got '{self.dates}'."
            )
        object.__setattr__(self, "separator", SEPARATORS.get(self.separator, self.separator))
        parts_nothing = self.separator.isalnum() or self.separator in (*"\r\n\"'", *DECIMALS[:1])
        if self.separator and (len(self.separator) > 1 or parts_nothing):
            raise ConfigError(
                f"`separator` takes one sign, like ';' or 'tab', got '{self.separator}'."
            )


ANY = Dialect()


@dataclass(frozen=True)
class Written:
    """How a text file was written: what parts its cells, and its decimal sign.

    ``marked`` says that it was not plain UTF-8: what reads it knows UTF-8 by a byte order mark.
    Nothing of it is known of what is not text.
    """

    separator: str = ""
    decimal: str = ""
    marked: bool = False
