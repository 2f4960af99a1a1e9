"""The corpus, a file of HDF5: what it holds, how it is written, read, looked at and copied from a stranger's."""

from gpurnn.data.corpus.corpus import Corpus
from gpurnn.data.corpus.split import Split

__all__ = ["Corpus", "Split"]
