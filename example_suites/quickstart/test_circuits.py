"""The default suite, as far as the bundled model has it: it knows words, and no language."""

from pytest_circuits import suites

TestCircuits = suites.default(
    without={
        "text_loss": "the model knows no English",
        "indirect_object": "the model knows no names",
        "agreement": "the model knows no English",
        "capitals": "the model knows no countries",
        "name_movers": "the model knows no names",
        "agreement_writers": "the model knows no English",
    }
)
