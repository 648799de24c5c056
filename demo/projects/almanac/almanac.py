"""Facts about days."""

import datetime


def weekday(day: datetime.date) -> str:
    """The English name of the weekday of a day."""
    return day.strftime("%A")
