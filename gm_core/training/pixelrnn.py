"""How the PixelRNNs that ship were trained."""

from __future__ import annotations

from gm_core.autoregressive import negative_log_likelihood
from gm_core.pixelrnn import LSTMStep, PixelRNNConfig
from gm_core.training.loop import Phase, Recipe, Schedule
from gm_core.training.pixelcnn import binary_digits

RECIPES = {
    "pixelrnn-row-mnist": {
        "cpu": Recipe(
            config=PixelRNNConfig("row"),
            dataset="mnist",
            schedule=Schedule(
                steps=3_000, batch_size=32, learning_rate=3e-3, max_gradient_norm=100.0
            ),
            prepare=binary_digits,
            phases=(Phase(negative_log_likelihood),),
            unit="nats",
            compiled=(LSTMStep,),
        ),
        "gpu": Recipe(
            config=PixelRNNConfig("row", states=64, layers=7, head_features=256),
            dataset="mnist",
            schedule=Schedule(
                steps=15_000, batch_size=128, learning_rate=2e-3, max_gradient_norm=100.0
            ),
            prepare=binary_digits,
            phases=(Phase(negative_log_likelihood),),
            unit="nats",
            compiled=(LSTMStep,),
        ),
    },
    "pixelrnn-diagonal-mnist": {
        "cpu": Recipe(
            config=PixelRNNConfig("diagonal", layers=2),
            dataset="mnist",
            schedule=Schedule(
                steps=2_800, batch_size=32, learning_rate=3e-3, max_gradient_norm=100.0
            ),
            prepare=binary_digits,
            phases=(Phase(negative_log_likelihood),),
            unit="nats",
            compiled=(LSTMStep,),
        ),
        "gpu": Recipe(
            config=PixelRNNConfig("diagonal", states=48, layers=6, head_features=256),
            dataset="mnist",
            schedule=Schedule(
                steps=10_000, batch_size=128, learning_rate=2e-3, max_gradient_norm=100.0
            ),
            prepare=binary_digits,
            phases=(Phase(negative_log_likelihood),),
            unit="nats",
            compiled=(LSTMStep,),
        ),
    },
}
