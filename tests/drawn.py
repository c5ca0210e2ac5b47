"""What was drawn into axes of matplotlib."""


def legend_of(ax):
    """The texts of the legend."""
    return [text.get_text() for text in ax.get_legend().get_texts()]


def curves_of(ax):
    """x and y of lines with more than two points."""
    return [line.get_xydata().T for line in ax.lines if len(line.get_xdata()) > 2]
