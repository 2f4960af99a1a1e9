"""Neither saving nor validating changes a bit of a run, however often."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from faults.training import refuse, settings, write_corpus
from gpurnn import backend
from gpurnn.data.corpus import Corpus
from gpurnn.training.config import Limits
from gpurnn.training.session import new_run


def cadences(windows: int, scratch: str, cell: str = "lstm") -> dict[str, Any]:
    """Saving after every window and never, and validating after every window and never: byte-equal parameters.

    Returns {"cases", "violations"}.
    """
    folder = Path(scratch) / "cadences"
    folder.mkdir()
    be, violations = backend.get("cpu"), []
    with Corpus.open(write_corpus(folder)) as corpus:
        config = settings(corpus, cell)
        plans = {
            "seldom": (config, 1e6),
            "save every window": (config, 0.0),
            "validate every window": (replace(config, validate_every=1), 1e6),
            "validate never": (replace(config, validate_every=0), 1e6),
        }
        found = {}
        for name, (plan, minutes) in plans.items():
            trainer = new_run(be, corpus, plan, folder / name, refuse)
            trainer.run(Limits(windows=windows), checkpoint_minutes=minutes)
            learner = trainer.learner
            arrays = [learner.model.params.values, *learner.optimizer.flats.values(), *learner.state.named().values()]
            found[name] = [be.to_host(array).tobytes() for array in arrays]
        violations = [f"{name}: other bits" for name, arrays in found.items() if arrays != found["seldom"]]
    return {"cases": len(plans) - 1, "violations": violations}
