"""Figures of the page: the look of all plots, on a canvas that answers to the mouse."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from bokeh.models import (
    BasicTickFormatter,
    BoxZoomTool,
    CustomJSHover,
    GlyphRenderer,
    HoverTool,
    Legend,
    LegendItem,
    PanTool,
    ResetTool,
    SaveTool,
    WheelZoomTool,
)
from bokeh.plotting import figure

__all__ = ["BLACK", "GREY", "HALF", "SIZE", "hover", "legend_above", "looked_up", "new_figure"]

SIZE = 340
"""Width of a figure: as wide as a phone bears, and two beside each other on a printed page."""
HALF = 190
"""Height of a figure that is not square."""
GREY, BLACK = "#737373", "#222222"
FONT = "Helvetica, Arial, sans-serif"
TEXT, SMALL = "12px", "11px"

Scale = Literal["linear", "log"]


def new_figure(x_label: str, y_label: str, **options: Any) -> figure:
    """Empty axes; zooming and moving are asked for in the bar, so that a page scrolls by touch.

    Args:
        x_label: Of the axis.
        y_label: Of the axis.
        options: To :class:`bokeh.plotting.figure`, whole.
    """
    plot = figure(
        **{
            "width": SIZE,
            "height": SIZE,
            "tools": [PanTool(), BoxZoomTool(), WheelZoomTool(), ResetTool(), SaveTool()],
            "active_drag": None,
            "active_scroll": None,
            "toolbar_location": "below",
            "x_axis_label": x_label,
            "y_axis_label": y_label,
            "min_border": 4,
            "outline_line_color": BLACK,
            "outline_line_width": 0.8,
            **options,
        }
    )
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.grid.visible = False
    for axis in plot.axis:
        axis.axis_label_text_font = axis.major_label_text_font = FONT
        axis.axis_label_text_font_size, axis.major_label_text_font_size = TEXT, SMALL
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_color = axis.major_label_text_color = BLACK
        axis.axis_label_standoff = 4
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = BLACK
        axis.axis_line_width = axis.major_tick_line_width = axis.minor_tick_line_width = 0.8
        axis.major_tick_in, axis.major_tick_out = 4, 0
        axis.minor_tick_in, axis.minor_tick_out = 2, 0
        if isinstance(axis.formatter, BasicTickFormatter):
            axis.formatter.use_scientific = False
    return plot


def legend_above(
    plot: figure, entries: Sequence[tuple[str, Sequence[GlyphRenderer]]], title: str | None = None
) -> None:
    """What is drawn how, above the frame; a click hides it."""
    plot.add_layout(
        Legend(
            items=[LegendItem(label=text, renderers=list(drawn)) for text, drawn in entries],
            title=title,
            title_text_font=FONT,
            title_text_font_size=SMALL,
            title_text_font_style="normal",
            title_text_color=BLACK,
            label_text_font=FONT,
            label_text_font_size=SMALL,
            label_text_color=BLACK,
            border_line_color=None,
            background_fill_alpha=0,
            click_policy="hide",
            location="left",
            padding=0,
            margin=4,
            spacing=0,
            glyph_height=14,
            label_height=14,
            label_standoff=2,
        ),
        "above",
    )


def looked_up(words: Mapping[str, Sequence[str]]) -> CustomJSHover:
    """Words for the numbers in a column, each written once in the page.

    Args:
        words: By what stands in braces behind the column's name in the lines of :func:`hover`.
    """
    lists = {name: list(several) for name, several in words.items()}
    return CustomJSHover(args={"words": lists}, code="return words[format][value];")


def hover(
    plot: figure,
    drawn: Sequence[GlyphRenderer],
    lines: Sequence[tuple[str, str]],
    words: Mapping[str, CustomJSHover] | None = None,
) -> None:
    """What is told of the one point under the mouse, or the finger."""
    plot.add_tools(
        HoverTool(
            renderers=list(drawn),
            tooltips=list(lines),
            formatters=dict(words or {}),
            point_policy="snap_to_data",
            limit=1,
            visible=False,
        )
    )
