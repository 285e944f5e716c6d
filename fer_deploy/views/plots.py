"""The report's plots as inline SVG. Each returns None when the report holds nothing that it could show."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fer_deploy.measure.figures import AccuracyFigures
from fer_deploy.measure.measurement import Measurement, Provenance
from fer_deploy.report.schema import ArtifactReport, DeviceReport, Report
from fer_deploy.report.wording import clean
from fer_deploy.views.svg import FEWER, GRID, INK, MARKERS, MORE, MUTED, SERIES, draw
from fer_deploy.views.tables import FLOAT_ROW, INVALID, has_recall

#: How full a marker is says how its figure was obtained; :data:`MARKER_NOTE` explains it.
_FILL = {Provenance.MEASURED: "full", Provenance.EMULATED: "left", Provenance.ESTIMATED: "none"}
MARKER_NOTE = (
    "Full marker: measured; half marker: emulated; hollow marker: estimated. Bars are the figures' intervals."
)
_LONGEST_LABEL = 18
#: Drawn over a marker whose figure must not be used.
_CROSS: dict[str, Any] = {
    "marker": "x",
    "markersize": 9,
    "markeredgewidth": 1.6,
    "linestyle": "none",
    "zorder": 5,
}


def accuracy_against_size(report: Report) -> str | None:
    """Return accuracy over artifact size, one marker per artifact that has both."""
    points = [(one, one.size) for one in report.artifacts]
    return _scatter(report, points, "size in KB", "Accuracy and size", lambda value: value / 1e3)


def accuracy_against_latency(report: Report, device: DeviceReport) -> str | None:
    """Return accuracy over median latency on one device, one marker per artifact that has both."""
    latency = {one.artifact: one.latency_p50 for one in device.figures}
    points = [(one, latency[one.key]) for one in report.artifacts if one.key in latency]
    title = f"Accuracy and median latency on {device.market_name}"
    doubtful = frozenset(one.artifact for one in device.figures if one.invalid)
    return _scatter(report, points, "median latency in ms", title, float, doubtful)


def recall_per_class(report: Report) -> str | None:
    """Return the recall of every class: the float model as a line, each artifact as a marker with its interval."""
    shown = [one for one in report.artifacts if has_recall(one)]
    labels = [one.label for one in report.float_accuracy.classes]
    if not shown or not labels:
        return None
    styles = Styles(report)
    step = 0.8 / len(shown)

    def paint(figure: Any) -> None:
        axes = figure.add_subplot()
        for row, label in enumerate(labels):
            reference = _recall(report.float_accuracy, label)
            if reference is not None and reference.value is not None:
                axes.vlines(100 * reference.value, row - 0.45, row + 0.45, color=INK, linewidth=1.4, zorder=3)
            for number, one in enumerate(shown):
                recall = _recall(one.accuracy, label)
                if recall is not None and recall.value is not None:
                    height = row - 0.4 + step * (number + 0.5)
                    _whiskers(axes, recall, height, styles.color(one), horizontal=True)
                    axes.plot(100 * recall.value, height, **styles.marker(one, (recall,)), markersize=4.5)
        axes.set_yticks(range(len(labels)), [_short(label) for label in labels])
        axes.set_ylim(len(labels) - 0.5, -0.5)
        for row in range(1, len(labels)):
            axes.axhline(row - 0.5, color=GRID, linewidth=0.7)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.set_xlabel("recall in %")
        styles.legend(figure, shown, with_float="|")

    return draw(4.9, 1.3 + len(labels) * max(0.3, 0.115 * len(shown)), "Recall per class", paint)


def reliability_curve(report: Report) -> str | None:
    """Return accuracy over confidence, one line per model; on the diagonal confidence is what it claims to be."""
    shown = [one for one in report.artifacts if one.accuracy.reliability]
    if not report.float_accuracy.reliability:
        return None
    styles = Styles(report)

    def paint(figure: Any) -> None:
        axes = figure.add_subplot()
        axes.plot([0, 100], [0, 100], color=MUTED, linewidth=0.8, linestyle=":")
        bins = report.float_accuracy.reliability
        confidence, accuracy = [100 * one.confidence for one in bins], [100 * one.accuracy for one in bins]
        axes.plot(confidence, accuracy, color=INK, linewidth=1.2, linestyle="--", zorder=3)
        for one in shown:
            bins = one.accuracy.reliability
            look = styles.marker(one, (one.accuracy.ece,)) | {"linestyle": "-", "linewidth": 0.8}
            confidence, accuracy = (
                [100 * each.confidence for each in bins],
                [100 * each.accuracy for each in bins],
            )
            axes.plot(confidence, accuracy, markersize=styles.size(one) / 2, **look)
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 100)
        axes.set_aspect("equal")
        axes.set_xlabel("mean confidence in %")
        axes.set_ylabel("accuracy in %")
        axes.grid()
        styles.legend(figure, shown, with_float="--")

    return draw(4.7, 4.9, "Calibration curve", paint)


def changed_cells(report: Report, artifact: ArtifactReport) -> list[list[int]] | None:
    """Return artifact minus float, in images, per true class (row) and predicted class (column).

    None where either was not measured or is no square over the classes, or where not one image moved.
    """
    before, after = report.float_accuracy.confusion, artifact.accuracy.confusion
    classes = len(report.float_accuracy.classes)
    if not after or any(len(side) != classes for side in (before, after, *before, *after)):
        return None
    change = [[new - old for new, old in zip(*rows, strict=True)] for rows in zip(after, before, strict=True)]
    return change if any(cell for row in change for cell in row) else None


def confusion_change(report: Report, artifact: ArtifactReport) -> str | None:
    """Return :func:`changed_cells` as a matrix, or None where there are none."""
    change = changed_cells(report, artifact)
    if change is None:
        return None
    most = max(abs(cell) for row in change for cell in row)
    labels = [one.label for one in report.float_accuracy.classes]

    def paint(figure: Any) -> None:
        from matplotlib.patches import Rectangle

        axes = figure.add_subplot()
        for true, row in enumerate(change):
            for predicted, cell in enumerate(row):
                corner = (predicted - 0.5, true - 0.5)
                if cell:
                    color, strength = (MORE if cell > 0 else FEWER), 0.15 + 0.5 * abs(cell) / most
                    axes.add_patch(Rectangle(corner, 1, 1, facecolor=color, alpha=strength, linewidth=0))
                if true == predicted:
                    inner = (corner[0] + 0.05, corner[1] + 0.05)
                    axes.add_patch(
                        Rectangle(inner, 0.9, 0.9, facecolor="none", edgecolor=MUTED, linewidth=0.9)
                    )
                text = f"{cell:+d}".replace("-", "\N{MINUS SIGN}") if cell else "·"
                axes.text(
                    predicted,
                    true,
                    text,
                    ha="center",
                    va="center",
                    fontsize=8.5,
                    color=INK if cell else MUTED,
                )
        names = [_short(label) for label in labels]
        axes.set_xticks(range(len(labels)), names, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(labels)), names)
        axes.set_xlim(-0.5, len(labels) - 0.5)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_aspect("equal")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_ylabel("true class")
        axes.set_xlabel("predicted class")

    side = 1.4 + 0.38 * len(labels)
    return draw(side, side - 0.1, f"Confusion change of {artifact.key}", paint)


class Styles:
    """Colour says the target, shape the recipe: the same in every plot of a report."""

    def __init__(self, report: Report) -> None:
        self._targets = list(dict.fromkeys(one.target for one in report.artifacts))
        self._recipes = list(dict.fromkeys(one.recipe for one in report.artifacts))

    def color(self, one: ArtifactReport) -> str:
        """Return the colour of the artifact's target."""
        return SERIES[self._targets.index(one.target) % len(SERIES)]

    def size(self, one: ArtifactReport) -> float:
        """Return the marker size in points: later targets are smaller, so that equal figures stay visible."""
        return (11.0, 7.5, 4.5, 3.0)[min(self._targets.index(one.target), 3)]

    def marker(self, one: ArtifactReport, figures: Iterable[Measurement]) -> dict[str, Any]:
        """Return matplotlib's keywords; the least direct provenance of ``figures`` decides how full it is."""
        order = list(_FILL)
        worst = max((figure.provenance for figure in figures), key=order.index)
        fill = {"fillstyle": _FILL[worst], "markerfacecoloralt": "none"}
        return self._look(one) | fill | {"zorder": 4}

    def legend(
        self,
        figure: Any,
        shown: Iterable[ArtifactReport],
        with_float: str,
        crossed: bool = False,
        reference: str | None = FLOAT_ROW,
    ) -> None:
        """Put one entry per artifact below the plot, what they are compared with (None: nothing) first."""
        from matplotlib.lines import Line2D

        style = (
            {"marker": "|", "markersize": 10, "linestyle": "none"}
            if with_float == "|"
            else {"linestyle": "--"}
        )
        handles = []
        if reference is not None:
            handles.append(Line2D([], [], color=INK, linewidth=1, label=reference, **style))
        for one in shown:
            handles.append(Line2D([], [], label=_short(one.key, 28), markersize=5, **self._look(one)))
        if crossed:
            handles.append(Line2D([], [], color=INK, label=f"{INVALID} timing", **_CROSS))
        figure.legend(
            handles=handles, loc="outside lower center", ncols=3, columnspacing=1.2, handletextpad=0.3
        )

    def _look(self, one: ArtifactReport) -> dict[str, Any]:
        marker = MARKERS[self._recipes.index(one.recipe) % len(MARKERS)]
        return {"linestyle": "none", "marker": marker, "color": self.color(one)}


def _scatter(
    report: Report,
    points: list[tuple[ArtifactReport, Measurement]],
    xlabel: str,
    title: str,
    scale: Callable[[float], float],
    doubtful: frozenset[str] = frozenset(),
) -> str | None:
    """Return accuracy over another figure, with the intervals of both; what is ``doubtful`` is crossed out."""
    known = [(one, figure) for one, figure in points if figure.known and one.accuracy.accuracy.known]
    if not known:
        return None
    styles = Styles(report)

    def paint(figure: Any) -> None:
        axes = figure.add_subplot()
        reference = report.float_accuracy.accuracy
        if reference.value is not None:
            axes.axhline(100 * reference.value, color=INK, linewidth=1, linestyle="--", zorder=1)
        for one, x in known:
            y = one.accuracy.accuracy
            assert x.value is not None  # known
            assert y.value is not None
            color = styles.color(one)
            if x.interval is not None:
                ends = scale(x.interval.low), scale(x.interval.high)
                axes.plot(ends, [100 * y.value] * 2, color=color, alpha=0.45, linewidth=1)
            _whiskers(axes, y, scale(x.value), color, horizontal=False)
            axes.plot(
                scale(x.value), 100 * y.value, **styles.marker(one, (x, y)), markersize=styles.size(one)
            )
            if one.key in doubtful:
                axes.plot(scale(x.value), 100 * y.value, color=INK, **_CROSS)
        axes.set_xlim(left=0)
        axes.set_xlabel(xlabel)
        axes.set_ylabel("accuracy in %")
        axes.grid()
        crossed = any(one.key in doubtful for one, _ in known)
        styles.legend(figure, [one for one, _ in known], with_float="--", crossed=crossed)

    return draw(4.7, 3.5, title, paint)


def _whiskers(axes: Any, share: Measurement, at: float, color: str, horizontal: bool) -> None:
    """Draw the interval of a fraction, in %."""
    if share.interval is None:
        return
    ends = [100 * share.interval.low, 100 * share.interval.high]
    where = (ends, [at, at]) if horizontal else ([at, at], ends)
    axes.plot(*where, color=color, alpha=0.45, linewidth=1, zorder=2)


def _recall(accuracy: AccuracyFigures, label: str) -> Measurement | None:
    return next((one.recall for one in accuracy.classes if one.label == label), None)


def _short(text: str, longest: int = _LONGEST_LABEL) -> str:
    text = clean(text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
