"""The log of a run, in the manner of DataX: dated lines, then the summary that tells the records.

Source of the summary's lines: DataX's ``StandAloneJobContainerCommunicator`` and the vendor's sample logs.
"""

from __future__ import annotations

from emulator.cloud import LocalCloud
from emulator.dataplane.parameters import date_of

_SUMMARY = {
    "en": (
        "Task start time", "Task end time", "Total elapsed time", "Total records read", "Total records written",
        "Read/write failures",
    ),
    "zh": ("任务启动时刻", "任务结束时刻", "任务总计耗时", "读出记录总数", "写入记录总数", "读写失败总数"),
}  # fmt: skip
_WIDTH = 24


class RunLog:
    """Collects lines; never a secret: only names, actions and resources are written into it."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self._started = cloud.clock.now()
        self._lines: list[str] = []

    def info(self, text: str) -> None:
        """A line of level INFO."""
        self._add("INFO ", text)

    def warn(self, text: str) -> None:
        """A line of level WARN."""
        self._add("WARN ", text)

    def error(self, text: str) -> None:
        """A line of level ERROR."""
        self._add("ERROR", text)

    def _add(self, level: str, text: str) -> None:
        self._lines.append(f"{date_of(self._cloud.clock.now()):%Y-%m-%d %H:%M:%S} [job-0] {level} {text}")

    def summary(self, read: int, written: int, failures: int) -> None:
        """The last lines: times and records."""
        ended = self._cloud.clock.now()
        values = (
            f"{date_of(self._started):%Y-%m-%d %H:%M:%S}",
            f"{date_of(ended):%Y-%m-%d %H:%M:%S}",
            f"{ended - self._started:.0f}s",
            read,
            written,
            failures,
        )
        titles = _SUMMARY[self._cloud.settings.log_language]
        self._lines.extend(f"{title:<{_WIDTH}}: {value}" for title, value in zip(titles, values, strict=True))

    def text(self) -> str:
        """The whole log."""
        return "\n".join(self._lines) + "\n"
