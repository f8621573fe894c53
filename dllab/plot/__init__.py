"""Figures that read in light mode, in dark mode and without color vision.

- `learning_curves(history)`: loss and metrics against the epoch, validation dashed
- `curves({"name": y})`: several named lines in one plot
- `spread({"name": runs})`: the mean over several seeds, in a band of one standard deviation
- `images(images)`: a grid of pictures
- `feature_maps(maps)`, `filters(kernel)`: what a convolution answers, and what it looks for
- `heatmap(image, heat)`, `heatmaps(images, heats)`: values laid over an image, or over many
- `embedding(points, labels)`: examples as points in the plane
- `attention(weights)`: a table of weights between 0 and 1
- `decision_boundary(predict, x, y)`: what a classifier says about each point of the plane
- `confusion_matrix(matrix)`: how often each class was taken for each
- `reliability(labels, probabilities)`: what came true against what was promised
- `histograms({"layer 1": values})`: distributions over one another, with shared bins
- `gradient_norms({"relu": norms})`: the size of the gradient at each layer
- `graph(node)`: the computational graph behind a scratch `Scalar` or `Tensor`
- `publish(name, weights=...)`: a result for an interactive figure of the book's pages
- `use_style()`: the style of all of them; importing this module calls it
- `COLORS`, `TEXT`, `contrast(a, b)`: the palette, and how it is checked

Each function takes the axes to draw on (or makes them) and returns them.
"""

from dllab.plot.classifier import decision_boundary
from dllab.plot.distributions import histograms
from dllab.plot.graphs import graph
from dllab.plot.inside import feature_maps, filters, heatmap, heatmaps
from dllab.plot.lines import curves, gradient_norms, learning_curves
from dllab.plot.maps import attention, embedding
from dllab.plot.pages import publish
from dllab.plot.pictures import images
from dllab.plot.spreads import spread
from dllab.plot.style import COLORS, TEXT, contrast, use_style
from dllab.plot.verdicts import confusion_matrix, reliability

__all__ = [
    "COLORS",
    "TEXT",
    "attention",
    "confusion_matrix",
    "contrast",
    "curves",
    "decision_boundary",
    "embedding",
    "feature_maps",
    "filters",
    "gradient_norms",
    "graph",
    "heatmap",
    "heatmaps",
    "histograms",
    "images",
    "learning_curves",
    "publish",
    "reliability",
    "spread",
    "use_style",
]

use_style()
