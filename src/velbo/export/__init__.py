"""A trained model as a file that runs without velbo: its encoder, its decoder or its score, each a function of rows."""

from .exporting import GRAPHS, Exported, export
from .graphs import Decoder, Encoder, Graph, Score

__all__ = ["GRAPHS", "Decoder", "Encoder", "Exported", "Graph", "Score", "export"]
