"""Course: what the notebooks share, their pictures and films, and the site that is made of them."""

from .animation import Animation, animate
from .extras import has, needs
from .pictures import COLOURS, panels, plot_boundary, plot_images, plot_matrix, plot_points, plot_surface

__all__ = [
    "COLOURS",
    "Animation",
    "animate",
    "has",
    "needs",
    "panels",
    "plot_boundary",
    "plot_images",
    "plot_matrix",
    "plot_points",
    "plot_surface",
]
