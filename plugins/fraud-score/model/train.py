"""Makes fraud.onnx and predictions.json: a model that says how likely a payment is fraud.

The payments are made up here, by a rule with chance in it, from a seed: nobody's data is in the model. Of PyPI: scikit-learn and skl2onnx; the
versions that made what is committed stand in predictions.json. `python train.py` writes both files beside this one.
"""

import json
from pathlib import Path

import numpy as np
import skl2onnx
import sklearn
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import RandomForestClassifier

FOLDER = Path(__file__).parent
FEATURES = ["amount", "age_days", "distance_km", "hour", "foreign"]


def payments(count: int, chance: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    amount = chance.lognormal(3.5, 1.2, count)
    age_days = chance.integers(0, 2000, count)
    distance_km = chance.exponential(80, count)
    hour = chance.integers(0, 24, count)
    foreign = chance.random(count) < 0.15
    rows = np.column_stack([amount, age_days, distance_km, hour, foreign]).astype(np.float32)
    risk = -5 + 0.012 * amount - 0.002 * age_days + 0.01 * distance_km + 1.5 * foreign + 1.2 * (hour < 5)
    return rows, chance.random(count) < 1 / (1 + np.exp(-risk))


def main() -> None:
    chance = np.random.default_rng(7)
    rows, labels = payments(4000, chance)
    model = RandomForestClassifier(n_estimators=20, max_depth=5, class_weight="balanced", random_state=7).fit(rows, labels)
    inputs = [("payments", FloatTensorType([None, len(FEATURES)]))]
    exported = to_onnx(model, initial_types=inputs, options={"zipmap": False}, target_opset={"": 17, "ai.onnx.ml": 3})
    (FOLDER / "fraud.onnx").write_bytes(exported.SerializeToString())
    asked, _ = payments(50, chance)
    told = {
        "made_by": {"scikit-learn": sklearn.__version__, "skl2onnx": skl2onnx.__version__},
        "features": FEATURES,
        "rows": [[float(value) for value in row] for row in asked],
        "labels": [int(label) for label in model.predict(asked)],
        "probabilities": [[float(p) for p in row] for row in model.predict_proba(asked)],
    }
    (FOLDER / "predictions.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
