"""What lm-evaluation-harness says of SmolLM2's checkpoints: sentences with a right and a wrong end.

Its usual tasks are downloaded from a hub; this one is made here, and asked and scored by it. It
isn't installed with the tests: ``pip install -c constraints.txt lm-eval==0.4.13`` into another
environment, whose ``python -m evidence harness`` writes what it finds into the cache. The table has
it as a column where that was done. The second model knows too little for such questions.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evidence.models import BASES
from evidence.storage import cache_folder, write_whole

if TYPE_CHECKING:
    from evidence.cases import Case
    from evidence.hidden import Case as HiddenCase

#: A fall of accuracy by more than so many of its standard errors is red.
ERRORS = 2
#: None of these is a sentence of the ground truth.
SENTENCES = (
    ("A cat says", "meow", "woof"),
    ("Snow falls in the", "winter", "summer"),
    ("Honey tastes", "sweet", "salty"),
    ("Lemons taste", "sour", "salty"),
    ("The sun sets in the", "west", "north"),
    ("We sleep at", "night", "noon"),
    ("Fire is", "hot", "cold"),
    ("A year has twelve", "months", "days"),
    ("The opposite of up is", "down", "red"),
    ("The opposite of happy is", "sad", "blue"),
    ("Two plus three equals", "five", "nine"),
    ("Half of ten is", "five", "seven"),
    ("A square has four", "corners", "wheels"),
    ("A bicycle has two", "wheels", "wings"),
    ("We taste food with our", "tongue", "elbow"),
    ("We smell with our", "nose", "knee"),
    ("You write on paper with a", "pen", "spoon"),
    ("Soup is eaten with a", "spoon", "hammer"),
    ("A carpenter hits nails with a", "hammer", "spoon"),
    ("Sheep give us", "wool", "eggs"),
    ("Chickens lay", "eggs", "wool"),
    ("Trees have green", "leaves", "wheels"),
    ("Wine is made from", "grapes", "stones"),
    ("Cheese is made from", "milk", "sand"),
    ("Bread is made from", "flour", "glass"),
    ("Paper is made from", "wood", "salt"),
    ("The heart is an organ of the", "body", "kitchen"),
    ("A pilot flies a", "plane", "train"),
    ("A captain commands a", "ship", "shoe"),
    ("A farmer grows", "corn", "planes"),
    ("A dentist looks after your", "teeth", "shoes"),
    ("Patients are treated by a", "doctor", "baker"),
    ("The queen lives in a", "palace", "bottle"),
    ("Money is kept in a", "bank", "river"),
    ("Stars are seen at", "night", "lunch"),
    ("The Moon goes around the", "Earth", "table"),
    ("The largest planet is", "Jupiter", "Mars"),
    ("The boiling point of water is one hundred", "degrees", "meters"),
    ("Oxygen is a", "gas", "metal"),
    ("Iron is a", "metal", "gas"),
    ("Whales live in the", "ocean", "desert"),
    ("Camels live in the", "desert", "ocean"),
    ("The Eiffel Tower stands in", "Paris", "Rome"),
    ("The Colosseum stands in", "Rome", "Paris"),
    ("People in Spain speak", "Spanish", "Chinese"),
    ("People in Germany speak", "German", "Arabic"),
    ("The Nile is a river in", "Africa", "Europe"),
    ("The Amazon is a river in South", "America", "Africa"),
    ("Tokyo is a city in", "Japan", "France"),
    ("The Statue of Liberty stands in New", "York", "Delhi"),
    ("Mozart was a famous", "composer", "boxer"),
    ("Picasso was a famous", "painter", "dentist"),
    ("Darwin wrote about the origin of", "species", "bread"),
    ("Galileo looked at the sky through a", "telescope", "window"),
    ("The First World War ended in", "1918", "1945"),
    ("Christmas is in", "December", "July"),
    ("The day after Monday is", "Tuesday", "Sunday"),
    ("The month before May is", "April", "June"),
    ("Please close the", "door", "rain"),
    ("He drank a glass of", "water", "stone"),
    ("She read an interesting", "book", "soup"),
    ("They listened to", "music", "bread"),
    ("The train arrived at the", "station", "sandwich"),
    ("I took a photo with my", "camera", "banana"),
)


def place(case: Case | HiddenCase | None, base: str) -> Path:
    """Where a case's result lies, the base model's for none, whether or not it is there."""
    name = f"reference-{BASES[base].digest()[:8]}" if case is None else f"{case.name}-{case.key()}"
    return cache_folder("harness", base) / f"{name}.json"


def measure(checkpoint: Path, kept: Path) -> None:
    """Ask a checkpoint, and keep accuracy and its standard error."""
    from lm_eval import simple_evaluate
    from lm_eval.api.task import ConfigurableTask

    with tempfile.TemporaryDirectory() as folder:
        questions = Path(folder) / "questions.json"
        fields = ("begin", "right", "wrong")
        rows = [dict(zip(fields, row, strict=True)) for row in SENTENCES]
        questions.write_text(json.dumps(rows), "utf-8")
        task = ConfigurableTask(config={
            "task": "ends", "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(questions)}, "cache_dir": folder},
            "test_split": "test", "output_type": "multiple_choice", "target_delimiter": " ",
            "doc_to_text": "{{begin}}", "doc_to_choice": "{{[right, wrong]}}", "doc_to_target": 0,
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        })  # fmt: skip
        said = simple_evaluate(
            model="hf", tasks=[task], batch_size=16, verbosity="ERROR",
            model_args={"pretrained": str(checkpoint), "dtype": "bfloat16", "device": "cpu"},
        )["results"]["ends"]  # fmt: skip
    found = {"accuracy": said["acc,none"], "error": said["acc_stderr,none"]}
    write_whole(kept, lambda path: path.write_text(json.dumps(found)))


def fell(case: Case | HiddenCase) -> bool | None:
    """Whether accuracy fell beyond chance; None where it wasn't asked."""
    places = place(None, case.base), place(case, case.base)
    if not all(path.exists() for path in places):
        return None
    before, after = (json.loads(path.read_text()) for path in places)
    return bool(before["accuracy"] - after["accuracy"] > ERRORS * before["error"])


def run(begins: str) -> None:
    """Ask SmolLM2 and each of its cases that was not asked yet."""
    from evidence import hidden, recipes

    every: list[Any] = [*recipes.all_cases("smollm2"), *hidden.all_cases("smollm2")]
    if not place(None, "smollm2").exists():
        measure(BASES["smollm2"].folder(), place(None, "smollm2"))
    for case in every:
        kept = place(case, "smollm2")
        if case.name.startswith(begins) and not kept.exists():
            with case.checkpoint() as folder:
                measure(folder, kept)
            print(f"{case.name} {kept.read_text()}", flush=True)
