"""Drawings as SVG inside the page. Colours are classes of the style sheet: a strict policy allows no style elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from accelserve.loadgen.report.scales import Axis, linear, logarithmic, percentiles

_WIDTH, _HEIGHT = 720, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 28, 28, 48
COLOURS = 8
_FAR = 20  # times the least value


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A named line; points are (x, y) in the axes' units, ``marks`` says whether each gets a dot."""

    name: str
    points: Sequence[tuple[float, float]]
    marks: bool = False


def latency_plot(lines: Sequence[Line], title: str) -> ET.Element:
    """Milliseconds against percentiles.

    Args:
        lines: points are (percentile below 100, milliseconds); at least one point in all.
        title: for those who do not see it.
    """
    highest = max(x for line in lines for x, _ in line.points)
    across = percentiles(min(max(highest, 90.0), 99.9999), _LEFT, _WIDTH - _RIGHT)
    return _plot(lines, across, _upwards(lines), ("percentile of the answers", "ms"), title)


def throughput_plot(line: Line, knee: tuple[float, float] | None, title: str) -> ET.Element:
    """Milliseconds against answers a second, step by step of a ramp, and a ring around the knee."""
    across = linear(0, max(x for x, _ in line.points), _LEFT, _WIDTH - _RIGHT)
    up = _upwards([line])
    drawing = _plot([line], across, up, ("answered requests a second", "ms"), title)
    if knee is not None:
        x, y = across.place(knee[0]), up.place(knee[1])
        ring = ET.SubElement(drawing, "circle", {"cx": _px(x), "cy": _px(y), "r": "9", "class": "ring"})
        ET.SubElement(ring, "title").text = "the knee"
    return drawing


def breakdown_plot(parts: Sequence[tuple[str, float]], title: str) -> ET.Element:
    """One bar, its parts one behind the other by their milliseconds, and their names below."""
    height, bar = 40 + 22 * len(parts), 28
    drawing = _drawing(height + 16, title)
    total = sum(milliseconds for _, milliseconds in parts) or 1.0
    begin = 0.0
    for number, (name, milliseconds) in enumerate(parts):
        width, colour = (_WIDTH - 2) * milliseconds / total, f"fill{number % COLOURS}"
        box = {"x": _px(1 + begin), "y": "1", "width": _px(width), "height": str(bar), "class": colour}
        ET.SubElement(ET.SubElement(drawing, "rect", box), "title").text = f"{name}: {milliseconds:.2f} ms"
        y = bar + 24 + 22 * number
        ET.SubElement(
            drawing, "rect", {"x": "1", "y": str(y - 11), "width": "12", "height": "12", "class": colour}
        )
        _text(drawing, 20, y, f"{name}: {milliseconds:.2f} ms, {milliseconds / total:.0%}", "label")
        begin += width
    return drawing


def _upwards(lines: Sequence[Line]) -> Axis:
    values = [y for line in lines for _, y in line.points]
    least, most = max(min(values), 1e-3), max(*values, 1e-3)
    if most > _FAR * least:
        return logarithmic(least, most, _HEIGHT - _BOTTOM, _TOP)
    return linear(0, most, _HEIGHT - _BOTTOM, _TOP)


def _plot(lines: Sequence[Line], across: Axis, up: Axis, names: tuple[str, str], title: str) -> ET.Element:
    drawing = _drawing(_HEIGHT + 20 * len(lines), title)
    _axes(drawing, across, up, names)
    for number, line in enumerate(lines):
        places = [(across.place(x), up.place(y)) for x, y in line.points]
        points = " ".join(f"{_px(x)},{_px(y)}" for x, y in places)
        ET.SubElement(drawing, "polyline", {"points": points, "class": f"line stroke{number % COLOURS}"})
        for (x, y), (at, value) in zip(places, line.points, strict=True):
            if line.marks:
                dot = {"cx": _px(x), "cy": _px(y), "r": "4", "class": f"fill{number % COLOURS}"}
                ET.SubElement(
                    ET.SubElement(drawing, "circle", dot), "title"
                ).text = f"{at:.1f}: {value:.2f} ms"
        _legend(drawing, number, line.name)
    return drawing


def _axes(drawing: ET.Element, across: Axis, up: Axis, names: tuple[str, str]) -> None:
    floor, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for value, written in up.ticks:
        y = up.place(value)
        _rule(drawing, (_LEFT, y), (right, y))
        _text(drawing, _LEFT - 8, y + 4, written, "label end")
    for value, written in across.ticks:
        x = across.place(value)
        _rule(drawing, (x, floor), (x, floor + 5))
        _text(drawing, x, floor + 20, written, "label middle")
    _text(drawing, (_LEFT + right) / 2, floor + 40, names[0], "label middle")
    _text(drawing, _LEFT - 8, _TOP - 14, names[1], "label end")


def _legend(drawing: ET.Element, number: int, name: str) -> None:
    y = _HEIGHT + 12 + 20 * number
    colour = f"fill{number % COLOURS}"
    ET.SubElement(
        drawing, "rect", {"x": str(_LEFT), "y": str(y - 9), "width": "20", "height": "4", "class": colour}
    )
    _text(drawing, _LEFT + 28, y, name, "label")


def _drawing(height: int, title: str) -> ET.Element:
    drawing = ET.Element(
        "svg",
        {"viewBox": f"0 0 {_WIDTH} {height}", "role": "img", "xmlns": "http://www.w3.org/2000/svg"},
    )
    ET.SubElement(drawing, "title").text = title
    return drawing


def _rule(drawing: ET.Element, begin: tuple[float, float], end: tuple[float, float]) -> None:
    (x1, y1), (x2, y2) = begin, end
    ET.SubElement(
        drawing, "line", {"x1": _px(x1), "y1": _px(y1), "x2": _px(x2), "y2": _px(y2), "class": "rule"}
    )


def _text(drawing: ET.Element, x: float, y: float, text: str, classes: str) -> None:
    ET.SubElement(drawing, "text", {"x": _px(x), "y": _px(y), "class": classes}).text = text


def _px(value: float) -> str:
    return f"{value:.1f}"
